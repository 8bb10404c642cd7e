# SPDX-License-Identifier: GPL-2.0-or-later
"""What pidfd_getfd refuses."""

import os
from errno import EBADF, EINVAL, EMFILE, EPERM, ESRCH

import pytest

from helpers.actors import Actor, LeaderlessActor, live
from helpers.children import in_child
from helpers.credentials import unprivileged, user, without
from helpers.descriptors import exhausted, opened
from helpers.errors import OK, expect, outcome
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.pidfd import own_pidfd, pidfd_getfd, pidfd_of
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import CAP_SYS_PTRACE, PIDFD_SELF_THREAD, PR_SET_DUMPABLE

STDIN, NO_DESCRIPTOR = 0, 10_000
OTHER_USER = 54321


@pytest.mark.behaviour("PGETFD-FLAGS")
@pytest.mark.parametrize("flags", [1, os.O_CLOEXEC, 1 << 31], ids=hex)
def test_flags(flags):
    with own_pidfd() as fd:
        for pidfd, target in ((fd, STDIN), (-1, STDIN), (fd, NO_DESCRIPTOR)):
            expect(EINVAL, pidfd_getfd, pidfd, target, flags)


@pytest.mark.behaviour("PGETFD-EBADF")
@pytest.mark.parametrize("path", ["/proc/self", "/dev/null"])
def test_files_that_are_no_pidfd(path):
    with opened(path) as fd:
        expect(EBADF, pidfd_getfd, fd, STDIN)


@pytest.mark.behaviour("PGETFD-EBADF")
@requires(Feature.FANOTIFY)
def test_descriptors_that_are_no_pidfd():
    with FanotifyGroup() as group:
        for fd in (-1, NO_DESCRIPTOR, PIDFD_SELF_THREAD, group.fd):
            expect(EBADF, pidfd_getfd, fd, STDIN)


@pytest.mark.behaviour("PGETFD-EBADF")
@pytest.mark.parametrize("target", [-1, NO_DESCRIPTOR])
def test_targets_that_are_no_descriptor(target):
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(EBADF, pidfd_getfd, fd, target)


@pytest.mark.behaviour("PGETFD-EMFILE")
def test_no_free_descriptor():
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd, exhausted():
        expect(EMFILE, pidfd_getfd, fd, STDIN)


@pytest.mark.behaviour("PGETFD-ESRCH")
def test_process_that_has_exited():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        for target in (STDIN, NO_DESCRIPTOR):
            expect(ESRCH, pidfd_getfd, fd, target)
        actor.reap()
        for target in (STDIN, NO_DESCRIPTOR):
            expect(ESRCH, pidfd_getfd, fd, target)


@pytest.mark.behaviour("PGETFD-LEADER")
def test_process_whose_leader_has_exited():
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(ESRCH, pidfd_getfd, fd, STDIN)
        assert actor.act() == actor.pid


def without_ptrace():
    without(CAP_SYS_PTRACE)()


def other_user():
    user(OTHER_USER)()


def other_user_without_ptrace():
    other_user()
    without_ptrace()


def take_stdin(fd):
    os.close(pidfd_getfd(fd, STDIN))


@pytest.mark.behaviour("PGETFD-EPERM")
@pytest.mark.parametrize(
    ("step", "answer"), [(unprivileged, EPERM), (other_user_without_ptrace, EPERM), (other_user, OK)]
)
def test_process_of_another_user(step, answer):
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert in_child(lambda: outcome(take_stdin, fd), step) == answer


@pytest.mark.behaviour("PGETFD-EPERM")
@pytest.mark.parametrize(("dumpable", "answer"), [(1, OK), (0, EPERM)])
def test_process_of_the_same_user(dumpable, answer):
    def take_from_a_child():
        with (
            live(lambda: syscall("prctl", PR_SET_DUMPABLE, dumpable, 0, 0, 0)) as actor,
            pidfd_of(actor.pid) as fd,
        ):
            return outcome(take_stdin, fd)

    assert in_child(take_from_a_child, unprivileged) == answer
