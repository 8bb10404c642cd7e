# SPDX-License-Identifier: GPL-2.0-or-later
"""The pidfd calls on the running kernel: structures, and a cloned interpreter that works and exits."""

import ctypes
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import pidfd
from helpers.actors import Actor
from helpers.children import in_child
from helpers.uapi import CLONE_DETACHED, CLONE_PIDFD, CLONE_VM, CloneArgs, InfoResult
from helpers.waiting import wait_until


@pytest.fixture
def own() -> Iterator[int]:
    fd = pidfd.pidfd_open(os.getpid())
    yield fd
    os.close(fd)


@pytest.mark.parametrize(("structure", "size"), [(InfoResult, 88), (pidfd.Siginfo, 128), (CloneArgs, 88)])
def test_structures_are_as_large_as_the_kernels(structure: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(structure) == size


def answer(code: int) -> Callable[[], None]:
    return lambda: os._exit(code)


def test_clone_gives_the_childs_pid_and_pidfd() -> None:
    pid, fd = pidfd.clone_with_pidfd(answer(7))
    info = pidfd.waitid(fd, os.WEXITED)
    os.close(fd)
    assert (info.si_pid, info.si_status) == (pid, 7)


def test_clone3_gives_the_same() -> None:
    fd = ctypes.c_int(-1)
    args = CloneArgs(flags=CLONE_PIDFD, pidfd=ctypes.addressof(fd), exit_signal=signal.SIGCHLD)
    pid = pidfd.clone3(args, answer(7))
    info = pidfd.waitid(fd.value, os.WEXITED)
    os.close(fd.value)
    assert (info.si_pid, info.si_status) == (pid, 7)


def test_a_chosen_pid_comes_with_a_pidfd() -> None:
    with Actor(os.getpid) as actor:
        free = actor.pid
        actor.exit()
        actor.reap()
    fd = ctypes.c_int(-1)
    assert pidfd.clone_as(free, answer(7), fd) == free
    info = pidfd.waitid(fd.value, os.WEXITED)
    os.close(fd.value)
    assert (info.si_pid, info.si_status) == (free, 7)


def test_a_child_that_raises_ends_and_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    pid = pidfd.clone(signal.SIGCHLD, child=Path("/no such file").stat)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert "FileNotFoundError" in capfd.readouterr().err


@pytest.fixture
def thread_that_wants_the_lock() -> Iterator[None]:
    """Run a thread that constantly requests the GIL."""
    ending = threading.Event()

    def spin() -> None:
        while not ending.is_set():
            pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=spin)
    thread.start()
    yield
    ending.set()
    thread.join()
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("thread_that_wants_the_lock")
def test_child_never_waits_for_a_thread_of_its_parent() -> None:
    for _ in range(300):
        end = functools.partial(os.waitid, os.P_PID, pidfd.clone(signal.SIGCHLD), os.WEXITED | os.WNOHANG)
        wait_until(end, "the child ends")


def test_errors_name_flags() -> None:
    with pytest.raises(OSError, match=r"clone\(CLONE_PIDFD\|CLONE_DETACHED, 17\): EINVAL"):
        pidfd.clone(CLONE_PIDFD | CLONE_DETACHED | signal.SIGCHLD)


def test_shared_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="tracee"):
        pidfd.clone(CLONE_VM | signal.SIGCHLD)


def test_getfd_shares_the_description(own: int) -> None:
    read, write = os.pipe()
    copy = pidfd.pidfd_getfd(own, write)
    os.write(copy, b"x")
    assert os.read(read, 1) == b"x"
    for fd in (read, write, copy):
        os.close(fd)


def test_signal_with_siginfo_arrives() -> None:
    def arrives() -> tuple[int, int, int]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        sent = pidfd.Siginfo(si_signo=signal.SIGUSR1, si_code=-1, si_pid=4, si_status=99)
        pidfd.pidfd_send_signal(pidfd.pidfd_open(os.getpid()), signal.SIGUSR1, sent)
        got = signal.sigtimedwait({signal.SIGUSR1}, 5)
        assert got is not None
        return got.si_signo, got.si_code, got.si_pid

    # In a process with one thread, because any thread that does not block it may get a signal to the process.
    assert in_child(arrives) == (signal.SIGUSR1, -1, 4)
