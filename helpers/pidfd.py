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
from helpers.uapi import (
    CLONE_PIDFD,
    CLONE_VM,
    P_PIDFD,
    PIDFD_GET_CGROUP_NAMESPACE,
    PIDFD_GET_INFO,
    PIDFD_GET_IPC_NAMESPACE,
    PIDFD_GET_MNT_NAMESPACE,
    PIDFD_GET_NET_NAMESPACE,
    PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE,
    PIDFD_GET_PID_NAMESPACE,
    PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE,
    PIDFD_GET_TIME_NAMESPACE,
    PIDFD_GET_USER_NAMESPACE,
    PIDFD_GET_UTS_NAMESPACE,
    Clone,
    CloneArgs,
    InfoResult,
    Pidfd,
    Poll,
    Scope,
)


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


def pidfd_open(pid: int, flags: int = 0) -> int:
    """Return a new pidfd of a process, or with PIDFD_THREAD of a thread."""
    return syscall("pidfd_open", pid, flags, shown=lambda: f"pidfd_open({pid}, {Pidfd(flags)})")


@contextlib.contextmanager
def pidfd_of(pid: int, flags: int = 0) -> Iterator[int]:
    """Have a pidfd of a process, or with PIDFD_THREAD of a thread, for the body of a `with`."""
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


def process_mrelease(fd: int, flags: int = 0) -> None:
    """Free the memory of a dying process before it has got that far (since 5.15)."""
    syscall("process_mrelease", fd, flags)


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


def request(command: int, size: int = 0, direction: Direction | None = None) -> int:
    """Return the number of an ioctl of pidfds, as the macros of linux/ioctl.h make it.

    `size` is that of the structure, in bytes; it goes both ways unless `direction` says otherwise.
    """
    if direction is None:
        direction = Direction.BOTH if size else Direction.NONE
    return direction << 30 | size << 16 | 0xFF << 8 | command


def get_info(fd: int, ask: int = 0, *, size: int = ctypes.sizeof(InfoResult)) -> InfoResult:
    """Ask PIDFD_GET_INFO (since 6.13) for the PIDFD_INFO_* bits of `ask`, with a structure of `size` bytes."""
    buffer = bytearray(max(size, ctypes.sizeof(InfoResult)))
    InfoResult.from_buffer(buffer).mask = ask
    fcntl.ioctl(fd, request(PIDFD_GET_INFO, size), buffer)
    return InfoResult.from_buffer_copy(buffer)


def poll(fd: int) -> Poll:
    """Return what poll(2) reports of a descriptor right now."""
    polled = select.poll()
    polled.register(fd, select.POLLIN)
    return Poll(dict(polled.poll(0)).get(fd, 0))


NAMESPACES = {
    "cgroup": PIDFD_GET_CGROUP_NAMESPACE,
    "ipc": PIDFD_GET_IPC_NAMESPACE,
    "mnt": PIDFD_GET_MNT_NAMESPACE,
    "net": PIDFD_GET_NET_NAMESPACE,
    "pid": PIDFD_GET_PID_NAMESPACE,
    "pid_for_children": PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE,
    "time": PIDFD_GET_TIME_NAMESPACE,
    "time_for_children": PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE,
    "user": PIDFD_GET_USER_NAMESPACE,
    "uts": PIDFD_GET_UTS_NAMESPACE,
}
"""What `get_namespace` knows: namespaces by their names in /proc/PID/ns."""


def get_namespace(fd: int, name: str, argument: int = 0) -> int:
    """Return a descriptor of a namespace, named as in /proc/PID/ns, of a pidfd's process (since 6.11)."""
    return fcntl.ioctl(fd, request(NAMESPACES[name]), argument)


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
    pid = clone(CLONE_PIDFD | flags | signal, fd, child)
    return pid, fd.value


def clone_in(namespaces: int, child: Callable[[], object]) -> int:
    """Fork into new namespaces, the CLONE_NEW* flags, and return the pid of the child, which runs `child`."""
    return clone(namespaces | SIGCHLD, child=child)


def clone_as(pid: int, child: Callable[[], object], pidfd: ctypes.c_int | None = None) -> int:
    """Fork with a chosen pid (set_tid of clone3, since 5.5), and return it; EEXIST if it is taken.

    The child runs `child`. `pidfd` is where the kernel stores a pidfd of it (CLONE_PIDFD).
    """
    numbers = (ctypes.c_int * 1)(pid)
    args = CloneArgs(exit_signal=SIGCHLD, set_tid=ctypes.addressof(numbers), set_tid_size=1)
    if pidfd is not None:
        args.flags, args.pidfd = CLONE_PIDFD, ctypes.addressof(pidfd)
    return clone3(args, child)


def _refuse_shared_memory(flags: int) -> None:
    if flags & CLONE_VM:
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
