# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants and structures of pidfds: linux/pidfd.h as of Linux 7.3, and the socket options for pidfds."""

import ctypes
import os

from helpers.uapi.names import Constants, Flags

P_PIDFD = os.P_PIDFD

SO_PASSPIDFD = 76
SO_PEERPIDFD = 77
SCM_PIDFD = 4


class Self(Constants):
    """Used in place of a descriptor: the calling thread (since 6.15) and the calling process (since 6.17).

    In Linux 6.15 and 6.16 the value for the process is -20000.
    """

    PIDFD_SELF_THREAD = -10000
    PIDFD_SELF_THREAD_GROUP = -10001


PIDFD_SELF_THREAD = Self.PIDFD_SELF_THREAD
PIDFD_SELF_THREAD_GROUP = Self.PIDFD_SELF_THREAD_GROUP


class Pidfd(Flags):
    """Flags of pidfd_open(2), which F_GETFL of fcntl(2) returns too."""

    PIDFD_NONBLOCK = os.O_NONBLOCK
    PIDFD_THREAD = os.O_EXCL


PIDFD_NONBLOCK = Pidfd.PIDFD_NONBLOCK
PIDFD_THREAD = Pidfd.PIDFD_THREAD


class Scope(Flags):
    """Flags of pidfd_send_signal(2) (since 6.9)."""

    PIDFD_SIGNAL_THREAD = 0x1
    PIDFD_SIGNAL_THREAD_GROUP = 0x2
    PIDFD_SIGNAL_PROCESS_GROUP = 0x4


PIDFD_SIGNAL_THREAD = Scope.PIDFD_SIGNAL_THREAD
PIDFD_SIGNAL_THREAD_GROUP = Scope.PIDFD_SIGNAL_THREAD_GROUP
PIDFD_SIGNAL_PROCESS_GROUP = Scope.PIDFD_SIGNAL_PROCESS_GROUP


class Command(Constants):
    """Commands of ioctl(2) on a pidfd; `helpers.pidfd.request` returns their full numbers."""

    PIDFD_GET_CGROUP_NAMESPACE = 1
    PIDFD_GET_IPC_NAMESPACE = 2
    PIDFD_GET_MNT_NAMESPACE = 3
    PIDFD_GET_NET_NAMESPACE = 4
    PIDFD_GET_PID_NAMESPACE = 5
    PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE = 6
    PIDFD_GET_TIME_NAMESPACE = 7
    PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE = 8
    PIDFD_GET_USER_NAMESPACE = 9
    PIDFD_GET_UTS_NAMESPACE = 10
    PIDFD_GET_INFO = 11


PIDFD_GET_CGROUP_NAMESPACE = Command.PIDFD_GET_CGROUP_NAMESPACE
PIDFD_GET_IPC_NAMESPACE = Command.PIDFD_GET_IPC_NAMESPACE
PIDFD_GET_MNT_NAMESPACE = Command.PIDFD_GET_MNT_NAMESPACE
PIDFD_GET_NET_NAMESPACE = Command.PIDFD_GET_NET_NAMESPACE
PIDFD_GET_PID_NAMESPACE = Command.PIDFD_GET_PID_NAMESPACE
PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE = Command.PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE
PIDFD_GET_TIME_NAMESPACE = Command.PIDFD_GET_TIME_NAMESPACE
PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE = Command.PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE
PIDFD_GET_USER_NAMESPACE = Command.PIDFD_GET_USER_NAMESPACE
PIDFD_GET_UTS_NAMESPACE = Command.PIDFD_GET_UTS_NAMESPACE
PIDFD_GET_INFO = Command.PIDFD_GET_INFO


class Info(Flags):
    """Bits of `InfoResult.mask`: the information that PIDFD_GET_INFO is asked for, and that it has returned."""

    PIDFD_INFO_PID = 0x1
    PIDFD_INFO_CREDS = 0x2
    PIDFD_INFO_CGROUPID = 0x4
    PIDFD_INFO_EXIT = 0x8
    PIDFD_INFO_COREDUMP = 0x10
    PIDFD_INFO_SUPPORTED_MASK = 0x20
    PIDFD_INFO_COREDUMP_SIGNAL = 0x40
    PIDFD_INFO_COREDUMP_CODE = 0x80


PIDFD_INFO_PID = Info.PIDFD_INFO_PID
PIDFD_INFO_CREDS = Info.PIDFD_INFO_CREDS
PIDFD_INFO_CGROUPID = Info.PIDFD_INFO_CGROUPID
PIDFD_INFO_EXIT = Info.PIDFD_INFO_EXIT
PIDFD_INFO_COREDUMP = Info.PIDFD_INFO_COREDUMP
PIDFD_INFO_SUPPORTED_MASK = Info.PIDFD_INFO_SUPPORTED_MASK
PIDFD_INFO_COREDUMP_SIGNAL = Info.PIDFD_INFO_COREDUMP_SIGNAL
PIDFD_INFO_COREDUMP_CODE = Info.PIDFD_INFO_COREDUMP_CODE


class Coredump(Flags):
    """Bits of `InfoResult.coredump_mask`."""

    PIDFD_COREDUMPED = 0x1
    PIDFD_COREDUMP_SKIP = 0x2
    PIDFD_COREDUMP_USER = 0x4
    PIDFD_COREDUMP_ROOT = 0x8


PIDFD_COREDUMPED = Coredump.PIDFD_COREDUMPED
PIDFD_COREDUMP_SKIP = Coredump.PIDFD_COREDUMP_SKIP
PIDFD_COREDUMP_USER = Coredump.PIDFD_COREDUMP_USER
PIDFD_COREDUMP_ROOT = Coredump.PIDFD_COREDUMP_ROOT


class InfoResult(ctypes.Structure):
    """struct pidfd_info in its largest published size (88 bytes).

    Every kernel with PIDFD_GET_INFO (since 6.13) has the first 64 bytes, up to `exit_code`, which is a wait status as
    for os.waitstatus_to_exitcode. `mask` tells which fields are valid.
    """

    _fields_ = (
        ("mask", ctypes.c_uint64),
        ("cgroupid", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("pid", "tgid", "ppid", "ruid", "rgid", "euid", "egid")),
        *((name, ctypes.c_uint32) for name in ("suid", "sgid", "fsuid", "fsgid")),
        ("exit_code", ctypes.c_int32),
        ("coredump_mask", ctypes.c_uint32),
        ("coredump_signal", ctypes.c_uint32),
        ("coredump_code", ctypes.c_int32),
        ("_hole", ctypes.c_uint32),
        ("supported_mask", ctypes.c_uint64),
    )


PIDFD_INFO_SIZE_VER0 = InfoResult.coredump_mask.offset
"""The first published size of struct pidfd_info, in bytes."""
