# SPDX-License-Identifier: GPL-2.0-or-later
"""setns(2) with a pidfd: into the namespaces of a process, all that one names or none."""

import functools
import os
from errno import EBADF, EINVAL, EPERM, ESRCH
from pathlib import Path

import pytest

from helpers.actors import Actor, LeaderlessActor, ThreadActor
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.errors import expect, outcome
from helpers.features import Feature, require
from helpers.pidfd import Clone, Pidfd, clone_in, own_pidfd, pidfd_of
from helpers.syscalls import syscall

NAMES = {
    Clone.NEWCGROUP: "cgroup",
    Clone.NEWIPC: "ipc",
    Clone.NEWNS: "mnt",
    Clone.NEWNET: "net",
    Clone.NEWPID: "pid_for_children",
    Clone.NEWUSER: "user",
    Clone.NEWUTS: "uts",
}
"""What the flags are called in /proc/PID/ns; of pid namespaces it is the one of children that changes."""
ALL = functools.reduce(Clone.__or__, NAMES)


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
@pytest.mark.parametrize("flags", [*NAMES, Clone.NEWUTS | Clone.NEWIPC, ALL & ~Clone.NEWUSER, ALL], ids=str)
def test_namespaces(elsewhere, flags):
    actor, fd = elsewhere

    def move():
        setns(fd, flags)
        return memberships()

    before, theirs = memberships(), memberships(actor.pid)
    assert in_child(move) == {flag: theirs[flag] if flag & flags else before[flag] for flag in NAMES}


@pytest.mark.behaviour("POPEN-SETNS-FLAGS")
@pytest.mark.parametrize(
    "flags", [Clone(0), Clone.VM, Clone.FILES, Clone.NEWUTS | Clone.FILES, ~Clone(0)], ids=str
)
def test_flags(flags):
    with own_pidfd() as fd:
        expect(EINVAL, setns, fd, flags)


@pytest.mark.behaviour("POPEN-SETNS-ATOMIC")
def test_one_namespace_that_is_refused():
    with (
        Actor(os.getpid, make=lambda child: clone_in(Clone.NEWUTS, child)) as actor,
        pidfd_of(actor.pid) as fd,
    ):

        def move():
            # Nobody enters the user namespace in which he is (setns(2)).
            return outcome(setns, fd, Clone.NEWUTS | Clone.NEWUSER), memberships()

        before = memberships()
        assert before[Clone.NEWUTS] != memberships(actor.pid)[Clone.NEWUTS]
        assert in_child(move) == (EINVAL, before)


@pytest.mark.behaviour("POPEN-SETNS-THREADS")
@pytest.mark.parametrize("flag", [Clone.NEWUSER, Clone.NEWNS], ids=str)
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
            lambda: outcome(setns, fd, Clone.NEWPID),
            make=lambda child: clone_in(Clone.NEWPID, child),
            keep=[fd],
        ) as actor,
    ):
        assert actor.act() == EINVAL


@pytest.mark.behaviour("POPEN-SETNS-GONE")
def test_process_that_has_exited():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        expect(ESRCH, setns, fd, Clone.NEWUTS)
        actor.reap()
        expect(ESRCH, setns, fd, Clone.NEWUTS)


@pytest.mark.behaviour("POPEN-SETNS-GONE")
def test_process_whose_leader_has_exited():
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(ESRCH, setns, fd, Clone.NEWUTS)


@pytest.mark.behaviour("POPEN-SETNS-EPERM")
@pytest.mark.parametrize("flag", NAMES, ids=str)
def test_caller_without_privilege(elsewhere, flag):
    _, fd = elsewhere
    assert in_child(lambda: outcome(setns, fd, flag), unprivileged) == EPERM


@pytest.mark.behaviour("POPEN-SETNS-THREAD")
def test_namespace_of_a_thread():
    require(Feature.PIDFD_THREAD)
    threads = []

    def start():
        threads.append(ThreadActor(lambda: syscall("unshare", Clone.NEWUTS)))
        threads[0].act()
        return threads[0].tid

    def move(fd):
        setns(fd, Clone.NEWUTS)
        return memberships()[Clone.NEWUTS]

    with Actor(start) as actor:
        tid = actor.act()
        with pidfd_of(tid, Pidfd.THREAD) as thread, pidfd_of(actor.pid) as process:
            entered = in_child(lambda: move(thread))
            assert entered == Path(f"/proc/{actor.pid}/task/{tid}/ns/uts").readlink()
            assert in_child(lambda: move(process)) == memberships()[Clone.NEWUTS] != entered


@pytest.mark.behaviour("POPEN-SETNS-BADFD")
@pytest.mark.parametrize("path", ["/proc/self", "/dev/null"])
def test_files_that_are_no_pidfd(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        expect(EINVAL, setns, fd, Clone.NEWUTS)
    finally:
        os.close(fd)


@pytest.mark.behaviour("POPEN-SETNS-BADFD")
def test_closed_descriptor():
    with own_pidfd() as fd:
        pass
    expect(EBADF, setns, fd, Clone.NEWUTS)
