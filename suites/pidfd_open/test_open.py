# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom pidfd_open opens, and what is refused."""

import ctypes
import fcntl
import os
import signal
from errno import EINVAL, EMFILE, ENFILE, ESRCH
from pathlib import Path
from signal import SIGKILL

import pytest

from helpers import fdinfo, sysctl
from helpers.actors import Actor, ThreadActor, reaped, zombie
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.descriptors import exhausted
from helpers.errors import by_behaviour, expect, outcome
from helpers.pidfd import clone_in, clone_with_pidfd, own_pidfd, pidfd_of, pidfd_open, pidfd_send_signal, poll
from helpers.uapi import CLONE_NEWPID, O_RDWR, POLLIN, Open, Pidfd, Poll
from helpers.waiting import readable, wait_until

NO_PROCESS = 2**22 + 1
"""Greater than pid_max can be (proc_sys_kernel(5))."""
LARGEST = 2**31 - 1
INIT, KTHREADD = 1, 2
SA_NOCLDWAIT = 2
FILE_MAX = Path("/proc/sys/fs/file-max")
NO_FLAG, UNKNOWN = Pidfd(0), [Pidfd(1), Pidfd(2), Pidfd(os.O_CLOEXEC), Pidfd(1 << 31)]


@pytest.mark.behaviour("POPEN-OK")
def test_descriptor():
    with own_pidfd() as fd:
        assert fdinfo.read_pidfd(fd).pid == os.getpid()
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert Open(fcntl.fcntl(fd, fcntl.F_GETFL)) == O_RDWR


@pytest.mark.parametrize(
    ("pid", "flags", "answer"),
    by_behaviour(
        {
            "POPEN-FLAGS": [(pid, flag, EINVAL) for flag in UNKNOWN for pid in (INIT, 0, NO_PROCESS)],
            "POPEN-PID-BAD": [(pid, NO_FLAG, EINVAL) for pid in (0, -1, -LARGEST - 1)],
            "POPEN-ESRCH": [(pid, NO_FLAG, ESRCH) for pid in (NO_PROCESS, LARGEST)],
        }
    ),
)
def test_refused(pid, flags, answer):
    expect(answer, pidfd_open, pid, flags)


@pytest.mark.behaviour("POPEN-ESRCH")
def test_process_that_was_reaped():
    with reaped(os.getpid) as actor:
        expect(ESRCH, pidfd_open, actor.pid)


@pytest.mark.behaviour("POPEN-ESRCH")
def test_thread_that_has_ended():
    with ThreadActor(os.getpid) as thread:
        thread.exit()
        expect(ESRCH, pidfd_open, thread.tid)


@pytest.mark.behaviour("POPEN-EMFILE")
def test_no_free_descriptor():
    with exhausted():
        expect(EMFILE, pidfd_open, os.getpid())


@pytest.mark.behaviour("POPEN-ENFILE")
def test_no_free_file():
    # Whoever has CAP_SYS_ADMIN may open files beyond the limit (proc_sys_fs(5)).
    with sysctl.setting(FILE_MAX, 1):
        assert in_child(lambda: outcome(pidfd_open, INIT), unprivileged) == ENFILE


@pytest.mark.behaviour("POPEN-ZOMBIE")
def test_zombie():
    with zombie(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert fdinfo.read_pidfd(fd).pid == actor.pid
        assert poll(fd) == POLLIN


def ignore():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


class SigAction(ctypes.Structure):
    """struct sigaction of the C library: Python sets no flags."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_byte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def leave_no_zombies():
    action = SigAction(flags=SA_NOCLDWAIT)
    assert ctypes.CDLL(None).sigaction(signal.SIGCHLD, ctypes.byref(action), None) == 0


@pytest.mark.behaviour("POPEN-AUTOREAP")
@pytest.mark.parametrize("step", [ignore, leave_no_zombies])
def test_child_that_nobody_waits_for(step):
    def exit_and_open():
        pid, fd = clone_with_pidfd(lambda: None)
        readable(fd, "the child has exited")
        wait_until(lambda: fdinfo.read_pidfd(fd).pid == -1, "the child has reaped itself, after it exited")
        expect(ESRCH, pidfd_open, pid)
        expect(ESRCH, pidfd_send_signal, fd, 0)

    in_child(exit_and_open, step)


@pytest.mark.behaviour("POPEN-UNPRIV")
def test_process_of_somebody_else():
    def open_them():
        for pid in (os.getppid(), INIT):
            with pidfd_of(pid) as fd:
                assert fdinfo.read_pidfd(fd).pid == pid

    in_child(open_them, unprivileged)


@pytest.mark.behaviour("POPEN-KTHREAD")
def test_kernel_thread():
    assert Path(f"/proc/{KTHREADD}/comm").read_text() == "kthreadd\n"
    with pidfd_of(KTHREADD) as fd:
        assert fdinfo.read_pidfd(fd).pid == KTHREADD
        pidfd_send_signal(fd, SIGKILL)
        assert poll(fd) == Poll(0)


@pytest.mark.behaviour("POPEN-OWN-NUMBER")
def test_number_in_the_callers_namespace():
    def open_init():
        with pidfd_of(INIT) as fd:
            return fdinfo.read_pidfd(fd).nspid

    with Actor(open_init, make=lambda child: clone_in(CLONE_NEWPID, child)) as actor:
        # The procfs mount is that of the outer namespace, and shows both numbers.
        assert actor.act() == (actor.pid, INIT)
