# SPDX-License-Identifier: GPL-2.0-or-later
"""The promise of CLONE_PIDFD: /proc/PID can be read without a race, whoever gets the number meanwhile."""

import contextlib
import functools
import os
from errno import ESRCH
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.actors import Actor
from helpers.errors import OK, by_behaviour, expect, outcome
from helpers.namespaces import own_proc
from helpers.pidfd import clone_as, clone_in, pidfd_send_signal
from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWPID, PR_SET_NAME
from suites.clone_pidfd.children import child_with_pidfd, new_cell

NUMBER = 100
"""Whose number is used again and again, in a pid namespace where nobody else takes any."""
NO_PROCESS = -1


@pytest.mark.behaviour("CLONE-PROC-GUARD")
def test_signal_guards_what_was_read():
    with child_with_pidfd() as (child, fd):
        status = Path(f"/proc/{child.pid}/status").read_text()
        pidfd_send_signal(fd, 0)
        assert f"\nPPid:\t{os.getpid()}\n" in status


@pytest.mark.behaviour("CLONE-PROC-GUARD")
def test_signal_tells_that_the_number_is_anothers():
    with child_with_pidfd() as (child, fd):
        child.exit()
        child.reap()
        with Actor(os.getpid, make=lambda run: clone_as(child.pid, run)) as stranger:
            assert stranger.act() == child.pid
            assert Path(f"/proc/{child.pid}").exists()
            expect(ESRCH, pidfd_send_signal, fd, 0)


class Reader:
    """Reads the name of a pidfd's process from procfs, in steps; `before` is called before each."""

    def __init__(self, before):
        self.before = before
        self.name = None

    def read(self, proc, fd):
        """Take the steps; raise OSError when the process turns out to be gone."""
        self.before("number")
        pid = fdinfo.read_pidfd(fd, proc / "self").pid
        if pid == NO_PROCESS:
            raise ProcessLookupError(ESRCH, "fdinfo shows no number")
        self.before("open")
        with (proc / str(pid) / "comm").open("rb", buffering=0) as comm:
            self.before("read")
            self.name = comm.read().decode().strip()
        self.before("guard")
        pidfd_send_signal(fd, 0)


def named(name):
    return functools.partial(syscall, "prctl", PR_SET_NAME, name.encode())


def read_while_reused(moment):
    """Have a child's number become another's before a step; return what was read, and how that ended."""
    proc, cell = own_proc(), new_cell()
    with contextlib.ExitStack() as processes:
        child = processes.enter_context(Actor(named("child"), make=lambda run: clone_as(NUMBER, run, cell)))
        child.act()

        def reuse(step):
            if step == moment:
                child.exit()
                child.reap()
                processes.enter_context(
                    Actor(named("stranger"), make=functools.partial(clone_as, NUMBER))
                ).act()

        reader = Reader(reuse)
        answer = outcome(reader.read, proc, cell.value)
        return reader.name, answer


@pytest.mark.parametrize(
    ("moment", "name", "answer"),
    by_behaviour(
        {
            "CLONE-PROC-GUARD": [
                ("never", "child", OK),
                ("number", None, ESRCH),
                ("open", "stranger", ESRCH),
                ("read", None, ESRCH),
                ("guard", "child", ESRCH),
            ]
        }
    ),
)
def test_number_that_is_used_again_meanwhile(moment, name, answer):
    in_new_namespace = functools.partial(clone_in, CLONE_NEWPID)
    with Actor(lambda: read_while_reused(moment), make=in_new_namespace) as init:
        assert init.act() == (name, answer)
