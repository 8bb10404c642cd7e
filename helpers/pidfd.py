# SPDX-License-Identifier: GPL-2.0-or-later
"""The system calls that return or take a pidfd.

Sources: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), clone(2), waitid(2), and for what they do not document
linux/pidfd.h and linux/sched.h as of Linux 7.3. Every call raises OSError with the kernel's errno.
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
    """siginfo_t (128 bytes), with the members that kill(2), sigqueue(3) and waitid(2) set."""

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
    """Return a new pidfd of a process or, with PIDFD_THREAD, of a thread."""
    return syscall("pidfd_open", pid, flags, shown=lambda: f"pidfd_open({pid}, {Pidfd(flags)})")


@contextlib.contextmanager
def pidfd_of(pid: int, flags: int = 0) -> Iterator[int]:
    """Open a pidfd of a process or, with PIDFD_THREAD, of a thread, for the body of a `with`."""
    fd = pidfd_open(pid, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def own_pidfd() -> contextlib.AbstractContextManager[int]:
    """Open a pidfd of this process for the body of a `with`."""
    return pidfd_of(os.getpid())


def pidfd_send_signal(fd: int, signal: int, info: Siginfo | None = None, flags: int = 0) -> None:
    """Send a signal through a pidfd; 0 only checks for permission."""
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
    """Wait for the child that a pidfd refers to; `options` are os.WEXITED and so on."""
    info = Siginfo()
    syscall("waitid", P_PIDFD, fd, info, options, None, shown=lambda: f"waitid(P_PIDFD, {fd}, {options:#x})")
    return info


class Direction(IntEnum):
    """Direction bits of an ioctl: _IOC_WRITE and _IOC_READ of linux/ioctl.h."""

    NONE = 0
    TO_KERNEL = 1
    FROM_KERNEL = 2
    BOTH = 3


def request(command: int, size: int = 0, direction: Direction | None = None) -> int:
    """Return the number of a pidfd ioctl, as the macros of linux/ioctl.h compute it.

    `size` is that of the structure, in bytes; the default direction is _IOWR with a structure, _IO without.
    """
    if direction is None:
        direction = Direction.BOTH if size else Direction.NONE
    return direction << 30 | size << 16 | 0xFF << 8 | command


def get_info(fd: int, ask: int = 0, *, size: int = ctypes.sizeof(InfoResult)) -> InfoResult:
    """Call PIDFD_GET_INFO (since 6.13) with the PIDFD_INFO_* bits of `ask` and a structure of `size` bytes."""
    buffer = bytearray(max(size, ctypes.sizeof(InfoResult)))
    InfoResult.from_buffer(buffer).mask = ask
    fcntl.ioctl(fd, request(PIDFD_GET_INFO, size), buffer)
    return InfoResult.from_buffer_copy(buffer)


def poll(fd: int) -> Poll:
    """Return the events that poll(2) reports for a descriptor right now."""
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
"""The ioctls of `get_namespace`, by the namespace's name in /proc/PID/ns."""


def get_namespace(fd: int, name: str, argument: int = 0) -> int:
    """Return a descriptor of a namespace of a pidfd's process, by its name in /proc/PID/ns (since 6.11)."""
    return fcntl.ioctl(fd, request(NAMESPACES[name]), argument)


def clone(
    flags: int, parent_tid: "int | ctypes.c_int" = 0, child: Callable[[], object] = lambda: None
) -> int:
    """Call clone(2) without a new stack, like fork(2); return the pid of the child, which calls `child`.

    `flags` includes the exit signal, as in C. The kernel stores an int at `parent_tid`, a ctypes object or an address.
    """
    _refuse_shared_memory(flags)
    address = parent_tid if isinstance(parent_tid, int) else ctypes.addressof(parent_tid)
    # The order of tls and child_tid depends on the architecture; both are 0 here.
    return _fork(
        child, f"clone({Clone(flags & ~0xFF)}, {int(flags) & 0xFF})", "clone", flags, 0, address, 0, 0
    )


def clone3(args: CloneArgs, child: Callable[[], object] = lambda: None, *, size: int | None = None) -> int:
    """Like `clone`, with clone3; `size` is the size of `args` that the kernel is told."""
    _refuse_shared_memory(args.flags)
    shown = f"clone3({Clone(args.flags)}, exit_signal={args.exit_signal})"
    size = ctypes.sizeof(args) if size is None else size
    return _fork(child, shown, "clone3", ctypes.addressof(args), size)


def clone_with_pidfd(child: Callable[[], object], flags: int = 0, signal: int = SIGCHLD) -> tuple[int, int]:
    """Fork with CLONE_PIDFD; return the pid of the child, which calls `child`, and its pidfd."""
    fd = ctypes.c_int(-1)
    pid = clone(CLONE_PIDFD | flags | signal, fd, child)
    return pid, fd.value


def clone_in(namespaces: int, child: Callable[[], object]) -> int:
    """Fork into new namespaces, given as CLONE_NEW* flags; return the pid of the child, which calls `child`."""
    return clone(namespaces | SIGCHLD, child=child)


def clone_as(pid: int, child: Callable[[], object], pidfd: ctypes.c_int | None = None) -> int:
    """Fork a child with this pid (set_tid of clone3, since 5.5), and return it; fails with EEXIST if it is in use.

    The child calls `child`. If `pidfd` is given, the kernel stores a pidfd of the child in it (CLONE_PIDFD).
    """
    numbers = (ctypes.c_int * 1)(pid)
    args = CloneArgs(exit_signal=SIGCHLD, set_tid=ctypes.addressof(numbers), set_tid_size=1)
    if pidfd is not None:
        args.flags, args.pidfd = CLONE_PIDFD, ctypes.addressof(pidfd)
    return clone3(args, child)


def _refuse_shared_memory(flags: int) -> None:
    if flags & CLONE_VM:
        raise ValueError(
            "two Python interpreters cannot share one address space: CLONE_VM needs helpers.tracee"
        )


# PyDLL keeps the GIL during the call: the child must hold it, since no other thread exists there to release it.
_python = ctypes.PyDLL(None, use_errno=True)
_raw = _python["syscall"]
_raw.restype = ctypes.c_long


def _fork(child: Callable[[], object], shown: str, name: str, *arguments: int) -> int:
    _python.PyOS_BeforeFork()
    call = (ctypes.c_long(number(name)), *map(ctypes.c_ulong, arguments))
    # No bytecode may run between the call and PyOS_AfterFork_Child: the child's interpreter could then release the
    # GIL to a thread that exists only in the parent, and deadlock. So the C code of map() makes the call and passes
    # its result on, and takewhile() lets only the child, where it is 0, call PyOS_AfterFork_Child.
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
    # The child must not tear down the parent's fixtures or flush its buffers a second time: hence os._exit().
    status = 1
    try:
        child()
        status = 0
    except BaseException:  # noqa: BLE001 - it must not reach the parent's code
        traceback.print_exc()
    finally:
        os._exit(status)
