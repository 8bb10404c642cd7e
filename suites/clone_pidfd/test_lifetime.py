# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pidfd tells of the child while it lives, when it is a zombie, and when it is gone."""

import os
from errno import ESRCH
from pathlib import Path

import pytest

from helpers.actors import Actor
from helpers.errors import expect
from helpers.features import Feature, has
from helpers.pidfd import Poll, clone_as, pidfd_send_signal, poll
from suites.clone_pidfd.children import child_with_pidfd


@pytest.mark.behaviour("CLONE-POLL")
def test_poll():
    # POLLHUP came with the same release as pidfds of threads, 6.9.
    gone = Poll.IN | Poll.HUP if has(Feature.PIDFD_THREAD) else Poll.IN
    with child_with_pidfd() as (child, fd):
        assert poll(fd) == Poll(0)
        child.exit()
        assert poll(fd) == Poll.IN
        child.reap()
        assert poll(fd) == gone


@pytest.mark.behaviour("CLONE-PROC-GUARD")
def test_signal_guards_what_was_read_from_proc():
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
