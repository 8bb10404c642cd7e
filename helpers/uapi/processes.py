# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants of calls on processes: linux/sched.h, linux/wait.h, linux/prctl.h, linux/capability.h,
asm-generic/siginfo.h."""

import ctypes

from helpers.uapi.names import Constants, Flags

WALL = 0x40000000
"""__WALL of waitid(2): wait for children with any exit signal or none."""

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15


class Clone(Flags):
    """Flags of clone(2) and unshare(2); those above 32 bits are for clone3 only (since 7.1)."""

    CLONE_NEWTIME = 0x80
    CLONE_VM = 0x100
    CLONE_FS = 0x200
    CLONE_FILES = 0x400
    CLONE_SIGHAND = 0x800
    CLONE_PIDFD = 0x1000
    CLONE_PARENT = 0x8000
    CLONE_THREAD = 0x10000
    CLONE_NEWNS = 0x20000
    CLONE_PARENT_SETTID = 0x100000
    CLONE_DETACHED = 0x400000
    CLONE_NEWCGROUP = 0x2000000
    CLONE_NEWUTS = 0x4000000
    CLONE_NEWIPC = 0x8000000
    CLONE_NEWUSER = 0x10000000
    CLONE_NEWPID = 0x20000000
    CLONE_NEWNET = 0x40000000
    CLONE_AUTOREAP = 1 << 34
    CLONE_NNP = 1 << 35
    CLONE_PIDFD_AUTOKILL = 1 << 36


CLONE_NEWTIME = Clone.CLONE_NEWTIME
"""For clone3, unshare(2) and setns(2): clone(2) has the exit signal there."""
CLONE_VM = Clone.CLONE_VM
CLONE_FS = Clone.CLONE_FS
CLONE_FILES = Clone.CLONE_FILES
CLONE_SIGHAND = Clone.CLONE_SIGHAND
CLONE_PIDFD = Clone.CLONE_PIDFD
CLONE_PARENT = Clone.CLONE_PARENT
CLONE_THREAD = Clone.CLONE_THREAD
CLONE_NEWNS = Clone.CLONE_NEWNS
CLONE_PARENT_SETTID = Clone.CLONE_PARENT_SETTID
CLONE_DETACHED = Clone.CLONE_DETACHED
CLONE_NEWCGROUP = Clone.CLONE_NEWCGROUP
CLONE_NEWUTS = Clone.CLONE_NEWUTS
CLONE_NEWIPC = Clone.CLONE_NEWIPC
CLONE_NEWUSER = Clone.CLONE_NEWUSER
CLONE_NEWPID = Clone.CLONE_NEWPID
CLONE_NEWNET = Clone.CLONE_NEWNET
CLONE_AUTOREAP = Clone.CLONE_AUTOREAP
CLONE_NNP = Clone.CLONE_NNP
CLONE_PIDFD_AUTOKILL = Clone.CLONE_PIDFD_AUTOKILL


class CloneArgs(ctypes.Structure):
    """struct clone_args in its third published size (88 bytes); pointers are addresses."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack"),
            *("stack_size", "tls", "set_tid", "set_tid_size", "cgroup"),
        )
    )


class SignalCode(Constants):
    """Values of si_code in siginfo_t: the origin of a signal, sigaction(2)."""

    SI_USER = 0
    SI_KERNEL = 0x80
    SI_QUEUE = -1
    SI_TIMER = -2
    SI_TKILL = -6


SI_USER = SignalCode.SI_USER
SI_KERNEL = SignalCode.SI_KERNEL
SI_QUEUE = SignalCode.SI_QUEUE
SI_TIMER = SignalCode.SI_TIMER
SI_TKILL = SignalCode.SI_TKILL


class Capability(Constants):
    """Bits of capabilities(7)."""

    CAP_DAC_OVERRIDE = 1
    CAP_DAC_READ_SEARCH = 2
    CAP_KILL = 5
    CAP_SYS_PTRACE = 19
    CAP_SYS_ADMIN = 21
    CAP_AUDIT_WRITE = 29


CAP_DAC_OVERRIDE = Capability.CAP_DAC_OVERRIDE
CAP_DAC_READ_SEARCH = Capability.CAP_DAC_READ_SEARCH
CAP_KILL = Capability.CAP_KILL
CAP_SYS_PTRACE = Capability.CAP_SYS_PTRACE
CAP_SYS_ADMIN = Capability.CAP_SYS_ADMIN
CAP_AUDIT_WRITE = Capability.CAP_AUDIT_WRITE
