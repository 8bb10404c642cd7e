# SPDX-License-Identifier: GPL-2.0-or-later
"""setns(2) into the time namespace of a process, by its pidfd."""

import os
from errno import EUSERS
from pathlib import Path
from signal import SIGCHLD

import pytest

from helpers import skips
from helpers.actors import Actor, ThreadActor
from helpers.children import in_child
from helpers.errors import outcome
from helpers.pidfd import clone3, pidfd_of
from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWTIME, CLONE_NEWUTS, Clone, CloneArgs

NAMES = ("time", "time_for_children", "uts")


def setns(fd, flags):
    syscall("setns", fd, flags, shown=lambda: f"setns({fd}, {Clone(flags)})")


def memberships(pid="self"):
    return {name: Path(f"/proc/{pid}/ns/{name}").readlink() for name in NAMES}


@pytest.fixture
def elsewhere():
    """A process in a time namespace of its own, and its pidfd."""
    if not Path("/proc/self/ns/time").exists():
        skips.kconfig("time namespaces: CONFIG_TIME_NS")
    args = CloneArgs(flags=CLONE_NEWTIME | CLONE_NEWUTS, exit_signal=SIGCHLD)
    with Actor(os.getpid, make=lambda child: clone3(args, child)) as actor, pidfd_of(actor.pid) as fd:
        yield actor, fd


@pytest.mark.behaviour("POPEN-SETNS-TIME")
@pytest.mark.parametrize(
    ("flags", "changed"), [(CLONE_NEWTIME, NAMES[:2]), (CLONE_NEWTIME | CLONE_NEWUTS, NAMES)]
)
def test_time_namespace(elsewhere, flags, changed):
    actor, fd = elsewhere

    def move():
        setns(fd, flags)
        return memberships()

    before, theirs = memberships(), memberships(actor.pid)
    assert all(before[name] != theirs[name] for name in NAMES)
    assert in_child(move) == {name: (theirs if name in changed else before)[name] for name in NAMES}


@pytest.mark.behaviour("POPEN-SETNS-TIME-THREADS")
def test_caller_with_threads(elsewhere):
    def move():
        with ThreadActor(os.getpid):
            return outcome(setns, elsewhere[1], CLONE_NEWTIME), memberships()

    assert in_child(move) == (EUSERS, memberships())
