# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes of files for which Python has no function."""

import fcntl
import os
import struct
import sys
from pathlib import Path

from helpers.syscalls import syscall
from helpers.uapi import AT_FDCWD, AT_SYMLINK_FOLLOW

ACL = "system.posix_acl_access"
"""The extended attribute that is a file's access control list: acl(5)."""

_RENAME_EXCHANGE = 2
_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2

# linux/fs.h: _IOR('f', 1, long) and _IOW('f', 2, long), whose long is an int; "do not update atime".
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS = 0x80086601, 0x40086602
_FS_NOATIME_FL = 0x80

# linux/posix_acl_xattr.h: a version, then tag, permissions and id of each entry; linux/posix_acl.h has the tags.
_ACL_VERSION, _ANYBODY = 2, 0xFFFFFFFF
_ACL_ENTRIES = (
    (0x01, 6, _ANYBODY),
    (0x02, 4, 1),
    (0x04, 4, _ANYBODY),
    (0x10, 4, _ANYBODY),
    (0x20, 0, _ANYBODY),
)


def exchange(one: Path, other: Path) -> None:
    """Give each of two files the other's name (RENAME_EXCHANGE)."""
    syscall("renameat2", AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)


def link_open_file(fd: int, path: Path) -> None:
    """Give an open file a name."""
    source = f"/proc/self/fd/{fd}".encode()
    syscall("linkat", AT_FDCWD, source, AT_FDCWD, os.fsencode(path), AT_SYMLINK_FOLLOW)


def set_times(path: Path, *, accessed: bool, modified: bool) -> None:
    """Set these of a file's times to now, and leave the others alone (UTIME_OMIT)."""
    times = (_UTIME_NOW if wanted else _UTIME_OMIT for wanted in (accessed, modified))
    packed = b"".join(struct.pack("=qq", 0, each) for each in times)
    syscall("utimensat", AT_FDCWD, os.fsencode(path), packed, 0)


def change_flags(path: Path) -> None:
    """Set an attribute of a file as chattr(1) does."""
    fd = os.open(path, os.O_RDONLY)
    try:
        found = fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(8))
        flags = int.from_bytes(found[:4], sys.byteorder) | _FS_NOATIME_FL
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, flags.to_bytes(8, sys.byteorder))
    finally:
        os.close(fd)


def set_acl(path: Path) -> None:
    """Give a file an access control list that a mode cannot stand for."""
    entries = b"".join(struct.pack("<HHI", *entry) for entry in _ACL_ENTRIES)
    os.setxattr(path, ACL, struct.pack("<I", _ACL_VERSION) + entries)
