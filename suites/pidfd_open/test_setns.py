# SPDX-License-Identifier: GPL-2.0-or-later
"""setns(2) with a pidfd: into the namespaces of a process, all that one names or none."""

import functools
import operator
import os
from errno import EBADF, EINVAL, EPERM, ESRCH
from pathlib import Path

import pytest

from helpers.actors import Actor, LeaderlessActor, ThreadActor
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.descriptors import opened
from helpers.errors import expect, outcome
from helpers.pidfd import clone_in, own_pidfd, pidfd_of
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import (
    CLONE_FILES,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_VM,
    PIDFD_THREAD,
    Clone,
)

NAMES = {
    CLONE_NEWCGROUP: "cgroup",
    CLONE_NEWIPC: "ipc",
    CLONE_NEWNS: "mnt",
    CLONE_NEWNET: "net",
    CLONE_NEWPID: "pid_for_children",
    CLONE_NEWUSER: "user",
    CLONE_NEWUTS: "uts",
}
"""What the flags are called in /proc/PID/ns; of pid namespaces it is the one of children that changes."""
ALL = functools.reduce(operator.or_, NAMES)


def setns(fd, flags):
    syscall("setns", fd, flags, shown=lambda: f"setns({fd}, {Clone(flags)})")


def memberships(pid="self"):
    """The namespaces in which a process is, by flag."""
    return {flag: Path(f"/proc/{pid}/ns/{name}").readlink() for flag, name in NAMES.items()}


@pytest.fixture(scope="module")
def elsewhere():
    """A process in namespaces of its own, and its pidfd."""
    with Actor(os.getpid, make=lambda child: clone_in(ALL, child)) as actor, pidfd_of(actor.pid) as fd:
        yield actor, fd


@pytest.mark.behaviour("POPEN-SETNS")
@pytest.mark.parametrize(
    "flags",
    [
        *NAMES,
        CLONE_NEWUTS | CLONE_NEWIPC,
        pytest.param(ALL & ~CLONE_NEWUSER, id="all-but-CLONE_NEWUSER"),
        pytest.param(ALL, id="all"),
    ],
)
def test_namespaces(elsewhere, flags):
    actor, fd = elsewhere

    def move():
        setns(fd, flags)
        return memberships()

    before, theirs = memberships(), memberships(actor.pid)
    assert in_child(move) == {flag: theirs[flag] if flag & flags else before[flag] for flag in NAMES}


@pytest.mark.behaviour("POPEN-SETNS-FLAGS")
@pytest.mark.parametrize(
    "flags",
    [
        Clone(0),
        CLONE_VM,
        CLONE_FILES,
        CLONE_NEWUTS | CLONE_FILES,
        pytest.param(~Clone(0), id="every-bit"),
    ],
)
def test_flags(flags):
    with own_pidfd() as fd:
        expect(EINVAL, setns, fd, flags)


@pytest.mark.behaviour("POPEN-SETNS-ATOMIC")
def test_one_namespace_that_is_refused():
    with (
        Actor(os.getpid, make=lambda child: clone_in(CLONE_NEWUTS, child)) as actor,
        pidfd_of(actor.pid) as fd,
    ):

        def move():
            # Nobody enters the user namespace in which he is (setns(2)).
            return outcome(setns, fd, CLONE_NEWUTS | CLONE_NEWUSER), memberships()

        before = memberships()
        assert before[CLONE_NEWUTS] != memberships(actor.pid)[CLONE_NEWUTS]
        assert in_child(move) == (EINVAL, before)


@pytest.mark.behaviour("POPEN-SETNS-THREADS")
@pytest.mark.parametrize("flag", [CLONE_NEWUSER, CLONE_NEWNS])
def test_caller_with_threads(elsewhere, flag):
    _, fd = elsewhere

    def move():
        with ThreadActor(os.getpid):
            return outcome(setns, fd, flag)

    assert in_child(move) == EINVAL


@pytest.mark.behaviour("POPEN-SETNS-ABOVE")
def test_pid_namespace_above():
    with (
        own_pidfd() as fd,
        Actor(
            lambda: outcome(setns, fd, CLONE_NEWPID),
            make=lambda child: clone_in(CLONE_NEWPID, child),
            keep=[fd],
        ) as actor,
    ):
        assert actor.act() == EINVAL


@pytest.mark.behaviour("POPEN-SETNS-GONE")
def test_process_that_has_exited():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        expect(ESRCH, setns, fd, CLONE_NEWUTS)
        actor.reap()
        expect(ESRCH, setns, fd, CLONE_NEWUTS)


@pytest.mark.behaviour("POPEN-SETNS-GONE")
def test_process_whose_leader_has_exited():
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(ESRCH, setns, fd, CLONE_NEWUTS)


@pytest.mark.behaviour("POPEN-SETNS-EPERM")
@pytest.mark.parametrize("flag", NAMES)
def test_caller_without_privilege(elsewhere, flag):
    _, fd = elsewhere
    assert in_child(lambda: outcome(setns, fd, flag), unprivileged) == EPERM


@pytest.mark.behaviour("POPEN-SETNS-THREAD")
@requires(PIDFD_THREAD)
def test_namespace_of_a_thread():
    threads = []

    def start():
        threads.append(ThreadActor(lambda: syscall("unshare", CLONE_NEWUTS)))
        threads[0].act()
        return threads[0].tid

    def move(fd):
        setns(fd, CLONE_NEWUTS)
        return memberships()[CLONE_NEWUTS]

    with Actor(start) as actor:
        tid = actor.act()
        with pidfd_of(tid, PIDFD_THREAD) as thread, pidfd_of(actor.pid) as process:
            entered = in_child(lambda: move(thread))
            assert entered == Path(f"/proc/{actor.pid}/task/{tid}/ns/uts").readlink()
            assert in_child(lambda: move(process)) == memberships()[CLONE_NEWUTS] != entered


@pytest.mark.behaviour("POPEN-SETNS-BADFD")
@pytest.mark.parametrize("path", ["/proc/self", "/dev/null"])
def test_files_that_are_no_pidfd(path):
    with opened(path) as fd:
        expect(EINVAL, setns, fd, CLONE_NEWUTS)


@pytest.mark.behaviour("POPEN-SETNS-BADFD")
def test_closed_descriptor():
    with own_pidfd() as fd:
        pass
    expect(EBADF, setns, fd, CLONE_NEWUTS)
