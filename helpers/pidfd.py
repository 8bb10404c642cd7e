# SPDX-License-Identifier: GPL-2.0-or-later
"""pidfds in Python: the ways to get one, and what can be done with it.

Sources: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), clone(2), waitid(2), and linux/pidfd.h and
linux/sched.h as of Linux 7.3 for what has no manual page. Every call raises OSError with the kernel's errno.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import takewhile, tee
from operator import not_
from signal import SIGCHLD
from typing import NoReturn

from helpers.errors import errno_name
from helpers.syscalls import number, syscall
from helpers.uapi import Flags

PIDFD_SELF_THREAD = -10000
"""Instead of a descriptor: the calling thread (since 6.15)."""
PIDFD_SELF_THREAD_GROUP = -10001
"""Instead of a descriptor: the calling process (since 6.17; Linux 6.15 and 6.16 had -20000)."""

P_PIDFD = os.P_PIDFD
WALL = 0x40000000
"""__WALL of waitid(2): wait for children with any exit signal, or none."""


class Pidfd(Flags, prefix="PIDFD_"):
    """Flags of pidfd_open(2), which F_GETFL of fcntl(2) shows again."""

    NONBLOCK = os.O_NONBLOCK
    THREAD = os.O_EXCL


class Scope(Flags, prefix="PIDFD_SIGNAL_"):
    """Flags of pidfd_send_signal(2) (since 6.9)."""

    THREAD = 0x1
    THREAD_GROUP = 0x2
    PROCESS_GROUP = 0x4


class Poll(Flags, prefix="POLL"):
    """Events of poll(2)."""

    IN = select.POLLIN
    ERR = select.POLLERR
    HUP = select.POLLHUP
    NVAL = select.POLLNVAL


class Clone(Flags, prefix="CLONE_"):
    """Flags of clone(2) and unshare(2); those above 32 bits are clone3's (since 7.1)."""

    VM = 0x100
    FS = 0x200
    FILES = 0x400
    SIGHAND = 0x800
    PIDFD = 0x1000
    PARENT = 0x8000
    THREAD = 0x10000
    NEWNS = 0x20000
    PARENT_SETTID = 0x100000
    DETACHED = 0x400000
    NEWCGROUP = 0x2000000
    NEWUTS = 0x4000000
    NEWIPC = 0x8000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000
    AUTOREAP = 1 << 34
    NNP = 1 << 35
    PIDFD_AUTOKILL = 1 << 36


class Info(Flags, prefix="PIDFD_INFO_"):
    """Bits of `InfoResult.mask`: what PIDFD_GET_INFO is asked for, and what it answered."""

    PID = 0x1
    CREDS = 0x2
    CGROUPID = 0x4
    EXIT = 0x8
    COREDUMP = 0x10
    SUPPORTED_MASK = 0x20
    COREDUMP_SIGNAL = 0x40
    COREDUMP_CODE = 0x80


class InfoResult(ctypes.Structure):
    """struct pidfd_info in its largest published size (88 bytes); ids are numbers.

    Every kernel with PIDFD_GET_INFO (since 6.13) has the first 64 bytes, up to `exit_code`, which is a wait
    status as for os.waitstatus_to_exitcode. Which fields are valid is what `mask` says.
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


INFO_SIZE = InfoResult.coredump_mask.offset
"""PIDFD_INFO_SIZE_VER0: the first published size of struct pidfd_info, in bytes."""


class Siginfo(ctypes.Structure):
    """siginfo_t as far as kill(2), sigqueue(3) and waitid(2) fill it: 128 bytes."""

    _fields_ = (
        ("si_signo", ctypes.c_int),
        ("si_errno", ctypes.c_int),
        ("si_code", ctypes.c_int),
        ("_hole", ctypes.c_int),
        ("si_pid", ctypes.c_int),
        ("si_uid", ctypes.c_uint),
        ("si_status", ctypes.c_int),
        ("_rest", ctypes.c_byte * 100),
    )


class CloneArgs(ctypes.Structure):
    """struct clone_args in its third published size (88 bytes); pointers are addresses."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack"),
            *("stack_size", "tls", "set_tid", "set_tid_size", "cgroup"),
        )
    )


def pidfd_open(pid: int, flags: int = 0) -> int:
    """Return a new pidfd of a process, or with Pidfd.THREAD of a thread."""
    return syscall("pidfd_open", pid, flags, shown=lambda: f"pidfd_open({pid}, {Pidfd(flags)})")


@contextlib.contextmanager
def pidfd_of(pid: int, flags: int = 0) -> Iterator[int]:
    """Have a pidfd of a process, or with Pidfd.THREAD of a thread, for the body of a `with`."""
    fd = pidfd_open(pid, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def own_pidfd() -> contextlib.AbstractContextManager[int]:
    """Have a pidfd of this process for the body of a `with`."""
    return pidfd_of(os.getpid())


def pidfd_send_signal(fd: int, signal: int, info: Siginfo | None = None, flags: int = 0) -> None:
    """Send a signal, 0 for the mere permission check, to what a pidfd refers to."""
    syscall(
        "pidfd_send_signal",
        fd,
        signal,
        info,
        flags,
        shown=lambda: f"pidfd_send_signal({fd}, {signal}, {Scope(flags)})",
    )


def pidfd_getfd(fd: int, target: int, flags: int = 0) -> int:
    """Return a duplicate of descriptor `target` of the process that a pidfd refers to."""
    return syscall("pidfd_getfd", fd, target, flags)


def waitid(fd: int, options: int) -> Siginfo:
    """Wait for the child that a pidfd refers to; `options` are os.WEXITED and its like."""
    info = Siginfo()
    syscall("waitid", P_PIDFD, fd, info, options, None, shown=lambda: f"waitid(P_PIDFD, {fd}, {options:#x})")
    return info


class Direction(IntEnum):
    """Which way the structure of an ioctl goes: _IOC_WRITE and _IOC_READ of linux/ioctl.h."""

    NONE = 0
    TO_KERNEL = 1
    FROM_KERNEL = 2
    BOTH = 3


GET_INFO = 11
"""The command PIDFD_GET_INFO."""


def request(command: int, size: int = 0, direction: Direction | None = None) -> int:
    """Return the number of an ioctl of pidfds, as the macros of linux/ioctl.h make it.

    `size` is that of the structure, in bytes; it goes both ways unless `direction` says otherwise.
    """
    if direction is None:
        direction = Direction.BOTH if size else Direction.NONE
    return direction << 30 | size << 16 | 0xFF << 8 | command


def get_info(fd: int, ask: int = 0, *, size: int = ctypes.sizeof(InfoResult)) -> InfoResult:
    """Ask PIDFD_GET_INFO (since 6.13) for the Info bits of `ask`, with a structure of `size` bytes."""
    buffer = bytearray(max(size, ctypes.sizeof(InfoResult)))
    InfoResult.from_buffer(buffer).mask = ask
    fcntl.ioctl(fd, request(GET_INFO, size), buffer)
    return InfoResult.from_buffer_copy(buffer)


def poll(fd: int) -> Poll:
    """Return what poll(2) reports of a descriptor right now."""
    polled = select.poll()
    polled.register(fd, select.POLLIN)
    return Poll(dict(polled.poll(0)).get(fd, 0))


NAMESPACES = (
    "cgroup",
    "ipc",
    "mnt",
    "net",
    "pid",
    "pid_for_children",
    "time",
    "time_for_children",
    "user",
    "uts",
)
"""Names in /proc/PID/ns of the namespaces that `get_namespace` knows, in the order of their ioctls."""


def get_namespace(fd: int, name: str, argument: int = 0) -> int:
    """Return a descriptor of a namespace, named as in /proc/PID/ns, of a pidfd's process (since 6.11)."""
    return fcntl.ioctl(fd, request(1 + NAMESPACES.index(name)), argument)


def clone(
    flags: int, parent_tid: "int | ctypes.c_int" = 0, child: Callable[[], object] = lambda: None
) -> int:
    """clone(2) without a new stack: fork this process, and return the pid of the child, which runs `child`.

    `flags` hold the exit signal too, as in C; `parent_tid` is where the kernel stores an int, or any address.
    """
    _refuse_shared_memory(flags)
    address = parent_tid if isinstance(parent_tid, int) else ctypes.addressof(parent_tid)
    # aarch64 has tls before child_tid, the other way round than x86_64; both are 0 here.
    return _fork(
        child, f"clone({Clone(flags & ~0xFF)}, {int(flags) & 0xFF})", "clone", flags, 0, address, 0, 0
    )


def clone3(args: CloneArgs, child: Callable[[], object] = lambda: None, *, size: int | None = None) -> int:
    """clone3 as `clone`; `size` is what the kernel is told of the size of `args`."""
    _refuse_shared_memory(args.flags)
    shown = f"clone3({Clone(args.flags)}, exit_signal={args.exit_signal})"
    size = ctypes.sizeof(args) if size is None else size
    return _fork(child, shown, "clone3", ctypes.addressof(args), size)


def clone_with_pidfd(child: Callable[[], object], flags: int = 0, signal: int = SIGCHLD) -> tuple[int, int]:
    """Fork with CLONE_PIDFD, and return the pid of the child, which runs `child`, and its pidfd."""
    fd = ctypes.c_int(-1)
    pid = clone(Clone.PIDFD | flags | signal, fd, child)
    return pid, fd.value


def clone_in(namespaces: int, child: Callable[[], object]) -> int:
    """Fork into new namespaces, the Clone.NEW* flags, and return the pid of the child, which runs `child`."""
    return clone(namespaces | SIGCHLD, child=child)


def clone_as(pid: int, child: Callable[[], object], pidfd: ctypes.c_int | None = None) -> int:
    """Fork with a chosen pid (set_tid of clone3, since 5.5), and return it; EEXIST if it is taken.

    The child runs `child`. `pidfd` is where the kernel stores a pidfd of it (CLONE_PIDFD).
    """
    numbers = (ctypes.c_int * 1)(pid)
    args = CloneArgs(exit_signal=SIGCHLD, set_tid=ctypes.addressof(numbers), set_tid_size=1)
    if pidfd is not None:
        args.flags, args.pidfd = Clone.PIDFD, ctypes.addressof(pidfd)
    return clone3(args, child)


def _refuse_shared_memory(flags: int) -> None:
    if flags & Clone.VM:
        raise ValueError("two interpreters cannot share one memory: CLONE_VM needs helpers.tracee")


# PyDLL, because the child must hold the interpreter's lock: nobody is left there to hand it over.
_python = ctypes.PyDLL(None, use_errno=True)
_raw = _python["syscall"]
_raw.restype = ctypes.c_long


def _fork(child: Callable[[], object], shown: str, name: str, *arguments: int) -> int:
    _python.PyOS_BeforeFork()
    call = (ctypes.c_long(number(name)), *map(ctypes.c_ulong, arguments))
    # No bytecode may come between the call and PyOS_AfterFork_Child: the child could be asked there to hand the
    # interpreter's lock to a thread that only its parent has, and would wait for ever. So C goes from the one to
    # the other, with the answer of the call, and takewhile lets only the child go on, whose answer is 0.
    answers, answer = tee(map(_raw, *([argument] for argument in call)))
    deque(map(_python.PyOS_AfterFork_Child, takewhile(not_, answers)), maxlen=0)
    pid: int = next(answer)
    if pid == 0:
        _run(child)
    error = ctypes.get_errno()
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, f"{shown}: {errno_name(error)} ({os.strerror(error)})")
    return pid


def _run(child: Callable[[], object]) -> NoReturn:
    # Nothing of the parent's, neither its fixtures nor its buffers, may be unwound or flushed a second time.
    status = 1
    try:
        child()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it ends here
        traceback.print_exc()
    finally:
        os._exit(status)
