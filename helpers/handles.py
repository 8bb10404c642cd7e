# SPDX-License-Identifier: GPL-2.0-or-later
"""What file-handle records are compared with: name_to_handle_at(2), open_by_handle_at(2) and statfs(2)."""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import outcome
from helpers.syscalls import syscall
from helpers.uapi import AT_FDCWD, AT_HANDLE_FID, AT_SYMLINK_FOLLOW, MAX_HANDLE_SZ

FILEID_INVALID = 0xFF
"""Type of the empty handle of an error that belongs to no inode (since 5.16)."""

_FILE_HANDLE = struct.Struct("=Ii")


@dataclass(frozen=True)
class FileHandle:
    """A file handle: what an object of a filesystem is known by, whatever its name."""

    type: int
    data: bytes


def name_to_handle(path: Path, flags: int = 0) -> FileHandle:
    """Return the file handle of a path, which without AT_SYMLINK_FOLLOW is that of a symbolic link itself."""
    buffer = ctypes.create_string_buffer(_FILE_HANDLE.size + MAX_HANDLE_SZ)
    _FILE_HANDLE.pack_into(buffer, 0, MAX_HANDLE_SZ, 0)
    mount_id = ctypes.create_string_buffer(ctypes.sizeof(ctypes.c_int))
    syscall("name_to_handle_at", AT_FDCWD, os.fsencode(path), buffer, mount_id, flags)
    size, kind = _FILE_HANDLE.unpack_from(buffer)
    return FileHandle(kind, buffer.raw[_FILE_HANDLE.size :][:size])


def is_comparable(path: Path) -> bool:
    """Tell whether fanotify can report a handle of what is behind a path, if not one that can be opened.

    The kernels which know AT_HANDLE_FID make one of any inode, also on filesystems without export operations:
    commit 96b2b072ee62 ("exportfs: allow exporting non-decodeable file handles to userspace"). What the call answers
    beyond that is no measure: that of 6.16 refuses such filesystems, whose handles are in its events all the same.
    """
    return outcome(name_to_handle, path, AT_SYMLINK_FOLLOW | AT_HANDLE_FID) != errno.EINVAL


def fd_to_handle(fd: int) -> FileHandle:
    """Return the file handle of what a descriptor refers to."""
    return name_to_handle(Path(f"/proc/self/fd/{fd}"), AT_SYMLINK_FOLLOW)


def open_by_handle(mount_point: Path, handle: FileHandle, flags: int = os.O_RDONLY) -> int:
    """Open the object of a handle on the filesystem of any of its directories; return the descriptor."""
    mount = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return open_by_handle_at(mount, handle, flags)
    finally:
        os.close(mount)


def open_by_handle_at(mount: int, handle: FileHandle, flags: int = os.O_RDONLY) -> int:
    """Open the object of a handle on the filesystem that a descriptor is on; return the new descriptor."""
    packed = _FILE_HANDLE.pack(len(handle.data), handle.type) + handle.data
    return syscall("open_by_handle_at", mount, packed, flags)


def fsid(path: Path) -> tuple[int, int]:
    """Return f_fsid of statfs(2), in the form in which events carry it."""
    # glibc puts the first of the two numbers into the lower half, whatever the byte order.
    first, second = struct.unpack("<ii", os.statvfs(path).f_fsid.to_bytes(8, "little"))
    return first, second
