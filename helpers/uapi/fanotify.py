# SPDX-License-Identifier: GPL-2.0-or-later
"""linux/fanotify.h as of Linux 7.3, documented in fanotify(7), fanotify_init(2) and fanotify_mark(2)."""

import ctypes

from helpers.uapi.names import Constants, Flags

FAN_NOFD = -1
"""`fd` of an event without a file descriptor."""
FAN_NOPIDFD = FAN_NOFD
"""`pidfd` if the process has been reaped, or is not visible to the reader."""
FAN_EPIDFD = -2
"""`pidfd` if it could not be created."""

FANOTIFY_METADATA_VERSION = 3
"""Unchanged since 2.6.37."""


class Init(Flags):
    """Flags of fanotify_init(2)."""

    FAN_CLASS_NOTIF = 0x0
    FAN_CLOEXEC = 0x1
    FAN_NONBLOCK = 0x2
    FAN_CLASS_CONTENT = 0x4
    FAN_CLASS_PRE_CONTENT = 0x8
    FAN_UNLIMITED_QUEUE = 0x10
    FAN_UNLIMITED_MARKS = 0x20
    FAN_ENABLE_AUDIT = 0x40
    FAN_REPORT_PIDFD = 0x80
    FAN_REPORT_TID = 0x100
    FAN_REPORT_FID = 0x200
    FAN_REPORT_DIR_FID = 0x400
    FAN_REPORT_NAME = 0x800
    FAN_REPORT_TARGET_FID = 0x1000
    FAN_REPORT_FD_ERROR = 0x2000
    FAN_REPORT_MNT = 0x4000
    FAN_REPORT_DFID_NAME = FAN_REPORT_DIR_FID | FAN_REPORT_NAME
    FAN_REPORT_DFID_NAME_TARGET = FAN_REPORT_DFID_NAME | FAN_REPORT_FID | FAN_REPORT_TARGET_FID


FAN_CLASS_NOTIF = Init.FAN_CLASS_NOTIF
FAN_CLOEXEC = Init.FAN_CLOEXEC
FAN_NONBLOCK = Init.FAN_NONBLOCK
FAN_CLASS_CONTENT = Init.FAN_CLASS_CONTENT
FAN_CLASS_PRE_CONTENT = Init.FAN_CLASS_PRE_CONTENT
FAN_UNLIMITED_QUEUE = Init.FAN_UNLIMITED_QUEUE
FAN_UNLIMITED_MARKS = Init.FAN_UNLIMITED_MARKS
FAN_ENABLE_AUDIT = Init.FAN_ENABLE_AUDIT
FAN_REPORT_PIDFD = Init.FAN_REPORT_PIDFD
FAN_REPORT_TID = Init.FAN_REPORT_TID
FAN_REPORT_FID = Init.FAN_REPORT_FID
FAN_REPORT_DIR_FID = Init.FAN_REPORT_DIR_FID
FAN_REPORT_NAME = Init.FAN_REPORT_NAME
FAN_REPORT_TARGET_FID = Init.FAN_REPORT_TARGET_FID
FAN_REPORT_FD_ERROR = Init.FAN_REPORT_FD_ERROR
FAN_REPORT_MNT = Init.FAN_REPORT_MNT
FAN_REPORT_DFID_NAME = Init.FAN_REPORT_DFID_NAME
FAN_REPORT_DFID_NAME_TARGET = Init.FAN_REPORT_DFID_NAME_TARGET


class Mark(Flags):
    """Flags of fanotify_mark(2)."""

    FAN_MARK_INODE = 0x0
    FAN_MARK_ADD = 0x1
    FAN_MARK_REMOVE = 0x2
    FAN_MARK_DONT_FOLLOW = 0x4
    FAN_MARK_ONLYDIR = 0x8
    FAN_MARK_MOUNT = 0x10
    FAN_MARK_IGNORED_MASK = 0x20
    FAN_MARK_IGNORED_SURV_MODIFY = 0x40
    FAN_MARK_FLUSH = 0x80
    FAN_MARK_FILESYSTEM = 0x100
    FAN_MARK_MNTNS = 0x110
    FAN_MARK_EVICTABLE = 0x200
    FAN_MARK_IGNORE = 0x400
    FAN_MARK_IGNORE_SURV = FAN_MARK_IGNORE | FAN_MARK_IGNORED_SURV_MODIFY


FAN_MARK_INODE = Mark.FAN_MARK_INODE
FAN_MARK_ADD = Mark.FAN_MARK_ADD
FAN_MARK_REMOVE = Mark.FAN_MARK_REMOVE
FAN_MARK_DONT_FOLLOW = Mark.FAN_MARK_DONT_FOLLOW
FAN_MARK_ONLYDIR = Mark.FAN_MARK_ONLYDIR
FAN_MARK_MOUNT = Mark.FAN_MARK_MOUNT
FAN_MARK_IGNORED_MASK = Mark.FAN_MARK_IGNORED_MASK
FAN_MARK_IGNORED_SURV_MODIFY = Mark.FAN_MARK_IGNORED_SURV_MODIFY
FAN_MARK_FLUSH = Mark.FAN_MARK_FLUSH
FAN_MARK_FILESYSTEM = Mark.FAN_MARK_FILESYSTEM
FAN_MARK_MNTNS = Mark.FAN_MARK_MNTNS
FAN_MARK_EVICTABLE = Mark.FAN_MARK_EVICTABLE
FAN_MARK_IGNORE = Mark.FAN_MARK_IGNORE
FAN_MARK_IGNORE_SURV = Mark.FAN_MARK_IGNORE_SURV


class Mask(Flags):
    """Bits of the mask of a mark or an event."""

    FAN_ACCESS = 0x1
    FAN_MODIFY = 0x2
    FAN_ATTRIB = 0x4
    FAN_CLOSE_WRITE = 0x8
    FAN_CLOSE_NOWRITE = 0x10
    FAN_OPEN = 0x20
    FAN_MOVED_FROM = 0x40
    FAN_MOVED_TO = 0x80
    FAN_CREATE = 0x100
    FAN_DELETE = 0x200
    FAN_DELETE_SELF = 0x400
    FAN_MOVE_SELF = 0x800
    FAN_OPEN_EXEC = 0x1000
    FAN_Q_OVERFLOW = 0x4000
    FAN_FS_ERROR = 0x8000
    FAN_OPEN_PERM = 0x10000
    FAN_ACCESS_PERM = 0x20000
    FAN_OPEN_EXEC_PERM = 0x40000
    FAN_PRE_ACCESS = 0x100000
    FAN_MNT_ATTACH = 0x1000000
    FAN_MNT_DETACH = 0x2000000
    FAN_EVENT_ON_CHILD = 0x8000000
    FAN_RENAME = 0x10000000
    FAN_ONDIR = 0x40000000
    FAN_CLOSE = FAN_CLOSE_WRITE | FAN_CLOSE_NOWRITE
    FAN_MOVE = FAN_MOVED_FROM | FAN_MOVED_TO


FAN_ACCESS = Mask.FAN_ACCESS
FAN_MODIFY = Mask.FAN_MODIFY
FAN_ATTRIB = Mask.FAN_ATTRIB
FAN_CLOSE_WRITE = Mask.FAN_CLOSE_WRITE
FAN_CLOSE_NOWRITE = Mask.FAN_CLOSE_NOWRITE
FAN_OPEN = Mask.FAN_OPEN
FAN_MOVED_FROM = Mask.FAN_MOVED_FROM
FAN_MOVED_TO = Mask.FAN_MOVED_TO
FAN_CREATE = Mask.FAN_CREATE
FAN_DELETE = Mask.FAN_DELETE
FAN_DELETE_SELF = Mask.FAN_DELETE_SELF
FAN_MOVE_SELF = Mask.FAN_MOVE_SELF
FAN_OPEN_EXEC = Mask.FAN_OPEN_EXEC
FAN_Q_OVERFLOW = Mask.FAN_Q_OVERFLOW
FAN_FS_ERROR = Mask.FAN_FS_ERROR
FAN_OPEN_PERM = Mask.FAN_OPEN_PERM
FAN_ACCESS_PERM = Mask.FAN_ACCESS_PERM
FAN_OPEN_EXEC_PERM = Mask.FAN_OPEN_EXEC_PERM
FAN_PRE_ACCESS = Mask.FAN_PRE_ACCESS
FAN_MNT_ATTACH = Mask.FAN_MNT_ATTACH
FAN_MNT_DETACH = Mask.FAN_MNT_DETACH
FAN_EVENT_ON_CHILD = Mask.FAN_EVENT_ON_CHILD
FAN_RENAME = Mask.FAN_RENAME
FAN_ONDIR = Mask.FAN_ONDIR
FAN_CLOSE = Mask.FAN_CLOSE
FAN_MOVE = Mask.FAN_MOVE


class Response(Flags):
    """Responses to a permission event, fanotify(7) "Dealing with permission events"."""

    FAN_ALLOW = 0x1
    FAN_DENY = 0x2
    FAN_AUDIT = 0x10
    FAN_INFO = 0x20


FAN_ALLOW = Response.FAN_ALLOW
FAN_DENY = Response.FAN_DENY
FAN_AUDIT = Response.FAN_AUDIT
FAN_INFO = Response.FAN_INFO


def FAN_DENY_ERRNO(code: int) -> int:  # noqa: N802 - as in C
    """Return the response that denies and makes the blocked call fail with this errno (since 6.14)."""
    return (code & 0xFF) << 24 | FAN_DENY


class InfoType(Constants):
    """Types of the information records that follow an event's metadata."""

    FAN_EVENT_INFO_TYPE_FID = 1
    FAN_EVENT_INFO_TYPE_DFID_NAME = 2
    FAN_EVENT_INFO_TYPE_DFID = 3
    FAN_EVENT_INFO_TYPE_PIDFD = 4
    FAN_EVENT_INFO_TYPE_ERROR = 5
    FAN_EVENT_INFO_TYPE_RANGE = 6
    FAN_EVENT_INFO_TYPE_MNT = 7
    FAN_EVENT_INFO_TYPE_OLD_DFID_NAME = 10
    FAN_EVENT_INFO_TYPE_NEW_DFID_NAME = 12


FAN_EVENT_INFO_TYPE_FID = InfoType.FAN_EVENT_INFO_TYPE_FID
FAN_EVENT_INFO_TYPE_DFID_NAME = InfoType.FAN_EVENT_INFO_TYPE_DFID_NAME
FAN_EVENT_INFO_TYPE_DFID = InfoType.FAN_EVENT_INFO_TYPE_DFID
FAN_EVENT_INFO_TYPE_PIDFD = InfoType.FAN_EVENT_INFO_TYPE_PIDFD
FAN_EVENT_INFO_TYPE_ERROR = InfoType.FAN_EVENT_INFO_TYPE_ERROR
FAN_EVENT_INFO_TYPE_RANGE = InfoType.FAN_EVENT_INFO_TYPE_RANGE
FAN_EVENT_INFO_TYPE_MNT = InfoType.FAN_EVENT_INFO_TYPE_MNT
FAN_EVENT_INFO_TYPE_OLD_DFID_NAME = InfoType.FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
FAN_EVENT_INFO_TYPE_NEW_DFID_NAME = InfoType.FAN_EVENT_INFO_TYPE_NEW_DFID_NAME


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


FAN_EVENT_METADATA_LEN = ctypes.sizeof(EventMetadata)


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
    """struct fanotify_event_info_mnt; `hole` is the padding before mnt_id."""

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
