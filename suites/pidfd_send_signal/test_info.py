# SPDX-License-Identifier: GPL-2.0-or-later
"""What a signal says: with NULL for info, and with what the sender made up."""

import os
from errno import EINVAL, EPERM
from signal import SIGUSR2

import pytest

from helpers.actors import ThreadActor
from helpers.children import in_child
from helpers.credentials import user
from helpers.errors import OK, by_behaviour, expect, outcome
from helpers.pidfd import Siginfo, clone_in, own_pidfd, pidfd_of, pidfd_send_signal
from helpers.requirements import requires
from helpers.uapi import (
    CLONE_NEWPID,
    PIDFD_SIGNAL_THREAD,
    PIDFD_THREAD,
    SI_KERNEL,
    SI_QUEUE,
    SI_TIMER,
    SI_TKILL,
    SI_USER,
    Pidfd,
    Scope,
)
from suites.pidfd_send_signal.targets import SIGNAL, block, take, taker

SENDER = 54321


def send_as_somebody(fd, **scope):
    """Send from a child of another real user, and return the child's pid."""

    def send():
        pidfd_send_signal(fd, SIGNAL, **scope)
        return os.getpid()

    return in_child(send, user(SENDER))


@pytest.mark.behaviour("PSIG-INFO-NULL")
def test_nothing_said():
    with taker() as actor, pidfd_of(actor.pid) as fd:
        sender = send_as_somebody(fd)
        taken = actor.act()
        assert (taken["si_code"], taken["si_pid"], taken["si_uid"]) == (SI_USER, sender, SENDER)


@pytest.mark.behaviour("PSIG-INFO-THREAD")
@requires(PIDFD_THREAD)
@pytest.mark.parametrize(("opened", "scope"), [(Pidfd(0), PIDFD_SIGNAL_THREAD), (PIDFD_THREAD, Scope(0))])
def test_nothing_said_to_a_thread(opened, scope):
    with taker() as actor, pidfd_of(actor.pid, opened) as fd:
        sender = send_as_somebody(fd, flags=scope)
        taken = actor.act()
        assert (taken["si_code"], taken["si_pid"], taken["si_uid"]) == (SI_USER, sender, SENDER)


@pytest.mark.behaviour("PSIG-INFO-NS")
def test_sender_that_the_target_cannot_see():
    with taker(lambda child: clone_in(CLONE_NEWPID, child)) as actor, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, SIGNAL)
        assert actor.act()["si_pid"] == 0


def made_up(code, signal=SIGNAL):
    return Siginfo(si_signo=signal, si_code=code, si_pid=4711, si_uid=815, si_status=99)


@pytest.mark.behaviour("PSIG-INFO-DELIVERED")
@pytest.mark.parametrize("code", [SI_QUEUE, SI_TIMER, -1000])
def test_made_up(code):
    with taker() as actor, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, SIGNAL, made_up(code))
        assert actor.act() == {"si_code": code, "si_pid": 4711, "si_uid": 815, "si_status": 99}


@pytest.mark.parametrize(
    ("code", "signal", "answer"),
    by_behaviour(
        {
            "PSIG-INFO-SICODE": [
                (SI_USER, SIGNAL, EPERM),
                (SI_KERNEL, SIGNAL, EPERM),
                (2**31 - 1, SIGNAL, EPERM),
                (SI_TKILL, SIGNAL, EPERM),
                (SI_QUEUE, SIGNAL, OK),
                (-(2**31), SIGNAL, OK),
            ],
            "PSIG-INFO-MISMATCH": [
                (SI_QUEUE, SIGUSR2, EINVAL),
                (SI_USER, SIGUSR2, EINVAL),
                (SI_QUEUE, 0, EINVAL),
            ],
        }
    ),
)
def test_refused(code, signal, answer):
    with taker() as actor, pidfd_of(actor.pid) as fd:
        expect(answer, pidfd_send_signal, fd, SIGNAL, made_up(code, signal))


def send_to_oneself():
    with own_pidfd() as fd:
        return outcome(pidfd_send_signal, fd, SIGNAL, made_up(SI_USER))


@pytest.mark.behaviour("PSIG-INFO-SELF")
def test_made_up_to_oneself():
    def send_and_take():
        block()
        return send_to_oneself(), take()["si_code"]

    assert in_child(send_and_take) == (OK, SI_USER)


@pytest.mark.behaviour("PSIG-INFO-SELF-THREAD")
def test_made_up_by_another_thread():
    def send_from_a_thread():
        block()
        with ThreadActor(send_to_oneself) as thread:
            return thread.act()

    assert in_child(send_from_a_thread) == EPERM
