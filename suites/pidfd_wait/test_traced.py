# SPDX-License-Identifier: GPL-2.0-or-later
"""Children held by a tracer on their way out, and between exit and reaping."""

import os
from errno import ECHILD, ESRCH
from signal import SIGTERM

import pytest

from helpers import fdinfo
from helpers.actors import Actor, in_turn, process_state
from helpers.errors import OK, expect, outcome
from helpers.pidfd import pidfd_getfd, pidfd_of, pidfd_send_signal, poll, waitid
from helpers.tracee import Departure
from helpers.uapi import POLLIN, Poll


@pytest.mark.behaviour("PWAIT-EXITING")
def test_child_on_its_way_out():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd, Departure(actor.pid) as departure:
        actor.leave(3)
        departure.hold()
        assert poll(fd) == Poll(0)
        assert waitid(fd, os.WEXITED | os.WNOHANG).si_pid == 0
        os.close(pidfd_getfd(fd, 0))
        departure.become_zombie()
        assert poll(fd) == POLLIN
        expect(ESRCH, pidfd_getfd, fd, 0)


class Parent:
    """Acts of a process which has a child, waits for it without blocking, and waits for it."""

    def __init__(self):
        self.child = None

    def have_child(self):
        self.child = Actor(os.getpid)
        return self.child.pid

    def wait(self, options):
        with pidfd_of(self.child.pid) as fd:
            info = waitid(fd, os.WEXITED | options)
            return info.si_pid, info.si_status

    def steps(self):
        return in_turn(self.have_child, lambda: self.wait(os.WNOHANG), lambda: self.wait(0))


@pytest.mark.behaviour("PWAIT-TRACED")
def test_zombie_of_a_tracer():
    with Actor(Parent().steps()) as parent:
        pid = parent.act()
        with pidfd_of(pid) as fd, Departure(pid) as departure:
            pidfd_send_signal(fd, SIGTERM)
            departure.hold()
            departure.become_zombie()
            assert (process_state(pid), poll(fd), fdinfo.read_pidfd(fd).pid) == ("Z", POLLIN, pid)
            assert outcome(pidfd_send_signal, fd, SIGTERM) == OK
            assert parent.act() == (0, 0)
            departure.let_go()
            expect(ECHILD, waitid, fd, os.WEXITED)
            assert parent.act() == (pid, SIGTERM)
            expect(ESRCH, pidfd_send_signal, fd, 0)
