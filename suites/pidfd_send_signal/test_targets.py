# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands for a process, and what is refused."""

import os
from errno import EBADF, EFAULT, EINVAL, ESRCH
from signal import SIGKILL, SIGTERM

import pytest

from helpers.actors import Actor
from helpers.changes import changed_by
from helpers.descriptors import GuardedBuffer
from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.pidfd import own_pidfd, pidfd_of, pidfd_send_signal
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import (
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_SIGNAL_PROCESS_GROUP,
    PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    Scope,
)
from helpers.waiting import readable

NOT_A_SIGNAL = 65
FIRST_SELF_THREAD_GROUP = -20000
SELF = [PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP, FIRST_SELF_THREAD_GROUP]
UNKNOWN = Scope(8)
MIXED = [
    PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_PROCESS_GROUP,
    Scope(7),
]


@pytest.fixture
def opened():
    """Open files, and close them again."""
    fds = []

    def open_path(path, flags=os.O_RDONLY):
        fds.append(os.open(path, flags))
        return fds[-1]

    yield open_path
    for fd in fds:
        os.close(fd)


@pytest.mark.behaviour("PSIG-DELIVERED")
def test_process_dies_of_the_signal():
    with Actor(os.getpid) as actor, Actor(os.getpid) as other, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, SIGTERM)
        readable(fd, "the process dies")
        assert actor.reap() == -SIGTERM
        assert other.act() == other.pid


@pytest.mark.parametrize(
    ("path", "answer"),
    by_behaviour(
        {
            "PSIG-EBADF": [("/dev/null", EBADF), ("/", EBADF)],
            "PSIG-PROCDIR": [
                ("/proc/self", OK),
                ("/proc", EBADF),
                ("/proc/thread-self", EBADF),
                ("/proc/self/task", EBADF),
                ("/proc/self/fd", EBADF),
                ("/proc/self/status", EBADF),
                ("/proc/self/ns/pid", EBADF),
            ],
        }
    ),
)
def test_paths(opened, path, answer):
    expect(answer, pidfd_send_signal, opened(path), 0)


@pytest.mark.behaviour("PSIG-EBADF")
@requires(Feature.FANOTIFY)
def test_descriptors_that_are_no_process():
    with FanotifyGroup() as group:
        with own_pidfd() as closed:
            pass
        for fd in (-1, closed, group.fd):
            expect(EBADF, pidfd_send_signal, fd, 0)


@pytest.mark.behaviour("PSIG-EBADF")
@pytest.mark.parametrize("path", ["/proc/self", "/proc/self/fd/{}"], ids=["directory", "pidfd"])
def test_path_descriptor(opened, path):
    with own_pidfd() as fd:
        expect(EBADF, pidfd_send_signal, opened(path.format(fd), os.O_PATH), 0)


@pytest.mark.parametrize(
    "fd",
    [
        pytest.param(
            PIDFD_SELF_THREAD,
            marks=[
                pytest.mark.behaviour("PSIG-SELF"),
                changed_by(Feature.PIDFD_SELF, before=EBADF, after=OK),
            ],
        ),
        pytest.param(
            PIDFD_SELF_THREAD_GROUP,
            marks=[
                pytest.mark.behaviour("PSIG-SELF-GROUP"),
                changed_by(Feature.PIDFD_SELF_MOVED, before=EBADF, after=OK),
            ],
        ),
        pytest.param(
            FIRST_SELF_THREAD_GROUP,
            marks=[
                pytest.mark.behaviour("PSIG-SELF-GROUP"),
                changed_by(Feature.PIDFD_SELF, before=EBADF, after=OK),
                changed_by(Feature.PIDFD_SELF_MOVED, before=OK, after=EBADF),
            ],
            id="PIDFD_SELF_THREAD_GROUP-of-6.15",
        ),
    ],
)
def test_oneself(fd, answer):
    expect(answer, pidfd_send_signal, fd, 0)


@pytest.mark.behaviour("PSIG-FLAGS-BAD")
@pytest.mark.parametrize("flags", [UNKNOWN, Scope(1 << 31), *MIXED])
def test_flags(flags):
    with own_pidfd() as fd:
        expect(EINVAL, pidfd_send_signal, fd, 0, flags=flags)
        expect(EINVAL, pidfd_send_signal, -1, 0, flags=flags)


@pytest.mark.behaviour("PSIG-SCOPE-OLD")
@pytest.mark.parametrize(
    "scope", [PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP, PIDFD_SIGNAL_PROCESS_GROUP]
)
@changed_by(PIDFD_THREAD, before=EINVAL, after=OK)
def test_scopes(scope, answer):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        os.setpgid(actor.pid, actor.pid)
        expect(answer, pidfd_send_signal, fd, 0, flags=scope)


@pytest.mark.behaviour("PSIG-SIG-BAD")
@pytest.mark.parametrize("signal", [-1, NOT_A_SIGNAL, 2**31 - 1])
def test_signal_that_does_not_exist(signal):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(EINVAL, pidfd_send_signal, fd, signal)
        actor.exit()
        expect(EINVAL, pidfd_send_signal, fd, signal)
        actor.reap()
        expect(ESRCH, pidfd_send_signal, fd, signal)


@pytest.mark.behaviour("PSIG-ZOMBIE", "PSIG-REAPED")
def test_after_the_exit(opened):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        directory = opened(f"/proc/{actor.pid}")
        actor.exit(status=3)
        for target in (fd, directory):
            for signal in (0, SIGTERM, SIGKILL):
                expect(OK, pidfd_send_signal, target, signal)
        assert actor.reap() == 3
        for target in (fd, directory):
            for signal in (0, SIGTERM, SIGKILL):
                expect(ESRCH, pidfd_send_signal, target, signal)


@pytest.mark.behaviour("PSIG-INFO-EFAULT")
def test_info_that_cannot_be_read():
    buffer = GuardedBuffer(8)
    with own_pidfd() as fd:
        expect(EFAULT, syscall, "pidfd_send_signal", fd, 0, buffer.address, 0)
