# SPDX-License-Identifier: GPL-2.0-or-later
"""linux/fanotify.h in Python: flags which print their names, constants, and the binary structures.

Values and layouts are those of the header as of Linux 7.3; fanotify(7), fanotify_init(2) and fanotify_mark(2)
say what they mean. A flag is spelled without its prefix here (`Init.REPORT_PIDFD`) and printed with it.
"""

import ctypes
import functools
import os
from enum import IntEnum, IntFlag
from typing import ClassVar

FAN_NOFD = -1
"""Event descriptor of an event which reports no open file."""
FAN_NOPIDFD = FAN_NOFD
"""The process is gone, or cannot be seen by the reader."""
FAN_EPIDFD = -2
"""The pidfd could not be created."""

METADATA_VERSION = 3
"""FANOTIFY_METADATA_VERSION, which never changed since 2.6.37."""

AT_FDCWD = -100
O_LARGEFILE = 0x8000
"""Forced on every event descriptor by 64-bit kernels; Python's os.O_LARGEFILE is 0 there."""


class Flags(IntFlag):
    """A flag word which prints as the names of its bits, the way the manual writes them."""

    prefix: ClassVar[str]
    """What the names begin with in the C header."""

    def __init_subclass__(cls, *, prefix: str = "") -> None:
        """Take the prefix of the names in the C header."""
        cls.prefix = prefix

    def __str__(self) -> str:
        """Return the names, the widest first, and bits without a name in hexadecimal."""
        return _spelled(type(self), int(self))

    __repr__ = __str__


@functools.cache
def _widest_first(kind: type[Flags]) -> list[tuple[int, str]]:
    # Plain integers: the arithmetic of enums is slow, and everything prints its flags.
    names = ((int(member), f"{kind.prefix}{member.name}") for member in kind.__members__.values())
    return sorted(names, key=lambda named: (-named[0].bit_count(), named[0]))


@functools.cache
def _spelled(kind: type[Flags], word: int) -> str:
    rest, found = word, []
    for value, name in _widest_first(kind):
        if (value and rest & value == value) or (not value and not word):
            found.append((value, name))
            rest &= ~value
    words = [name for _, name in sorted(found)]
    return "|".join([*words, hex(rest)] if rest or not words else words)


class Init(Flags, prefix="FAN_"):
    """Flags of fanotify_init(2)."""

    CLASS_NOTIF = 0x0
    CLOEXEC = 0x1
    NONBLOCK = 0x2
    CLASS_CONTENT = 0x4
    CLASS_PRE_CONTENT = 0x8
    UNLIMITED_QUEUE = 0x10
    UNLIMITED_MARKS = 0x20
    ENABLE_AUDIT = 0x40
    REPORT_PIDFD = 0x80
    REPORT_TID = 0x100
    REPORT_FID = 0x200
    REPORT_DIR_FID = 0x400
    REPORT_NAME = 0x800
    REPORT_TARGET_FID = 0x1000
    REPORT_FD_ERROR = 0x2000
    REPORT_MNT = 0x4000
    REPORT_DFID_NAME = REPORT_DIR_FID | REPORT_NAME
    REPORT_DFID_NAME_TARGET = REPORT_DFID_NAME | REPORT_FID | REPORT_TARGET_FID


class Open(Flags, prefix="O_"):
    """Flags of open(2), as event_f_flags of fanotify_init(2) and F_GETFL of fcntl(2) carry them."""

    RDONLY = os.O_RDONLY
    WRONLY = os.O_WRONLY
    RDWR = os.O_RDWR
    ACCMODE = os.O_ACCMODE
    CREAT = os.O_CREAT
    EXCL = os.O_EXCL
    NOCTTY = os.O_NOCTTY
    TRUNC = os.O_TRUNC
    APPEND = os.O_APPEND
    NONBLOCK = os.O_NONBLOCK
    DSYNC = os.O_DSYNC
    ASYNC = os.O_ASYNC
    DIRECT = os.O_DIRECT
    LARGEFILE = O_LARGEFILE
    DIRECTORY = os.O_DIRECTORY
    NOFOLLOW = os.O_NOFOLLOW
    NOATIME = os.O_NOATIME
    CLOEXEC = os.O_CLOEXEC
    SYNC = os.O_SYNC
    PATH = os.O_PATH
    TMPFILE = os.O_TMPFILE


class Mark(Flags, prefix="FAN_MARK_"):
    """Flags of fanotify_mark(2)."""

    INODE = 0x0
    ADD = 0x1
    REMOVE = 0x2
    DONT_FOLLOW = 0x4
    ONLYDIR = 0x8
    MOUNT = 0x10
    IGNORED_MASK = 0x20
    IGNORED_SURV_MODIFY = 0x40
    FLUSH = 0x80
    FILESYSTEM = 0x100
    MNTNS = 0x110
    EVICTABLE = 0x200
    IGNORE = 0x400
    IGNORE_SURV = IGNORE | IGNORED_SURV_MODIFY


class Mask(Flags, prefix="FAN_"):
    """Bits of an event mask, of a mark and of an event."""

    ACCESS = 0x1
    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    CLOSE_NOWRITE = 0x10
    OPEN = 0x20
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    OPEN_EXEC = 0x1000
    Q_OVERFLOW = 0x4000
    FS_ERROR = 0x8000
    OPEN_PERM = 0x10000
    ACCESS_PERM = 0x20000
    OPEN_EXEC_PERM = 0x40000
    PRE_ACCESS = 0x100000
    MNT_ATTACH = 0x1000000
    MNT_DETACH = 0x2000000
    EVENT_ON_CHILD = 0x8000000
    RENAME = 0x10000000
    ONDIR = 0x40000000
    CLOSE = CLOSE_WRITE | CLOSE_NOWRITE
    MOVE = MOVED_FROM | MOVED_TO


class Response(Flags, prefix="FAN_"):
    """Answers to a permission event, fanotify(7) "Dealing with permission events"."""

    ALLOW = 0x1
    DENY = 0x2
    AUDIT = 0x10
    INFO = 0x20


def deny_errno(code: int) -> int:
    """Return FAN_DENY_ERRNO(code): deny and have the blocked call fail with this errno (since 6.14)."""
    return (code & 0xFF) << 24 | Response.DENY


class InfoType(IntEnum):
    """Types of the information records which follow an event's metadata."""

    FID = 1
    DFID_NAME = 2
    DFID = 3
    PIDFD = 4
    ERROR = 5
    RANGE = 6
    MNT = 7
    OLD_DFID_NAME = 10
    NEW_DFID_NAME = 12


class EventMetadata(ctypes.Structure):
    """struct fanotify_event_metadata."""

    _fields_ = (
        ("event_len", ctypes.c_uint32),
        ("vers", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8),
        ("metadata_len", ctypes.c_uint16),
        ("mask", ctypes.c_uint64),
        ("fd", ctypes.c_int32),
        ("pid", ctypes.c_int32),
    )


class InfoHeader(ctypes.Structure):
    """struct fanotify_event_info_header."""

    _fields_ = (("info_type", ctypes.c_uint8), ("pad", ctypes.c_uint8), ("len", ctypes.c_uint16))


class InfoFid(ctypes.Structure):
    """struct fanotify_event_info_fid and the fixed part of struct file_handle; handle and name follow."""

    _fields_ = (
        ("hdr", InfoHeader),
        ("fsid", ctypes.c_int32 * 2),
        ("handle_bytes", ctypes.c_uint32),
        ("handle_type", ctypes.c_int32),
    )


class InfoPidfd(ctypes.Structure):
    """struct fanotify_event_info_pidfd."""

    _fields_ = (("hdr", InfoHeader), ("pidfd", ctypes.c_int32))


class InfoError(ctypes.Structure):
    """struct fanotify_event_info_error."""

    _fields_ = (("hdr", InfoHeader), ("error", ctypes.c_int32), ("error_count", ctypes.c_uint32))


class InfoRange(ctypes.Structure):
    """struct fanotify_event_info_range."""

    _fields_ = (
        ("hdr", InfoHeader),
        ("pad", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
    )


class InfoMnt(ctypes.Structure):
    """struct fanotify_event_info_mnt; the alignment of mnt_id leaves a hole, which is named here."""

    _fields_ = (("hdr", InfoHeader), ("hole", ctypes.c_uint32), ("mnt_id", ctypes.c_uint64))


class PermissionResponse(ctypes.Structure):
    """struct fanotify_response."""

    _fields_ = (("fd", ctypes.c_int32), ("response", ctypes.c_uint32))


class ResponseInfoAuditRule(ctypes.Structure):
    """struct fanotify_response_info_audit_rule (since 6.3)."""

    _fields_ = (
        ("type", ctypes.c_uint8),
        ("pad", ctypes.c_uint8),
        ("len", ctypes.c_uint16),
        ("rule_number", ctypes.c_uint32),
        ("subj_trust", ctypes.c_uint32),
        ("obj_trust", ctypes.c_uint32),
    )


FAN_RESPONSE_INFO_NONE = 0
FAN_RESPONSE_INFO_AUDIT_RULE = 1
