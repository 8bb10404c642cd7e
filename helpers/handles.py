# SPDX-License-Identifier: GPL-2.0-or-later
"""File handles and fsids to compare those of events with: name_to_handle_at(2), open_by_handle_at(2), statfs(2)."""

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
"""Type of the empty handle that is reported for an error without an inode (since 5.16)."""

_FILE_HANDLE = struct.Struct("=Ii")


@dataclass(frozen=True)
class FileHandle:
    """A file handle: identifies an object of a filesystem, whatever its name."""

    type: int
    data: bytes


def name_to_handle(path: Path, flags: int = 0) -> FileHandle:
    """Return the file handle of a path; without AT_SYMLINK_FOLLOW, a symbolic link's own."""
    buffer = ctypes.create_string_buffer(_FILE_HANDLE.size + MAX_HANDLE_SZ)
    _FILE_HANDLE.pack_into(buffer, 0, MAX_HANDLE_SZ, 0)
    mount_id = ctypes.create_string_buffer(ctypes.sizeof(ctypes.c_int))
    syscall("name_to_handle_at", AT_FDCWD, os.fsencode(path), buffer, mount_id, flags)
    size, kind = _FILE_HANDLE.unpack_from(buffer)
    return FileHandle(kind, buffer.raw[_FILE_HANDLE.size :][:size])


def is_comparable(path: Path) -> bool:
    """Return whether fanotify can report a handle of the object of a path, perhaps one that cannot be opened.

    Kernels with AT_HANDLE_FID can encode a handle of any inode, on filesystems without export operations too: commit
    96b2b072ee62 ("exportfs: allow exporting non-decodeable file handles to userspace"). Only EINVAL, an unknown flag,
    counts here: on 6.16 the call fails on such filesystems, although events have handles of their objects.
    """
    return outcome(name_to_handle, path, AT_SYMLINK_FOLLOW | AT_HANDLE_FID) != errno.EINVAL


def fd_to_handle(fd: int) -> FileHandle:
    """Return the file handle of the object that a descriptor refers to."""
    return name_to_handle(Path(f"/proc/self/fd/{fd}"), AT_SYMLINK_FOLLOW)


def open_by_handle(mount_point: Path, handle: FileHandle, flags: int = os.O_RDONLY) -> int:
    """Open the object of a handle; return the descriptor. `mount_point` is any directory of its filesystem."""
    mount = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return open_by_handle_at(mount, handle, flags)
    finally:
        os.close(mount)


def open_by_handle_at(mount: int, handle: FileHandle, flags: int = os.O_RDONLY) -> int:
    """Call open_by_handle_at(2) with any descriptor of the filesystem; return the new descriptor."""
    packed = _FILE_HANDLE.pack(len(handle.data), handle.type) + handle.data
    return syscall("open_by_handle_at", mount, packed, flags)


def fsid(path: Path) -> tuple[int, int]:
    """Return f_fsid of statfs(2), as the two numbers that events have."""
    # glibc stores the first of the two numbers in the lower half, whatever the byte order.
    first, second = struct.unpack("<ii", os.statvfs(path).f_fsid.to_bytes(8, "little"))
    return first, second
