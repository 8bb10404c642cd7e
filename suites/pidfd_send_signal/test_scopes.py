# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a signal reaches: a thread, a process, a process group."""

import contextlib
import os
import threading
from errno import ESRCH

import pytest

from helpers.actors import Actor, ThreadActor
from helpers.children import in_child
from helpers.errors import expect
from helpers.pidfd import pidfd_of, pidfd_send_signal
from helpers.requirements import requires
from helpers.uapi import (
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_SIGNAL_PROCESS_GROUP,
    PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    Pidfd,
    Scope,
)
from suites.pidfd_send_signal.targets import SIGNAL, block, pending

TO_THREAD, TO_PROCESS = (True, False), (False, True)
NOBODY = (False, False)


def start_thread():
    """Block the signal, and start a thread that holds still; return its number."""
    block()
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    return thread.native_id


@pytest.mark.behaviour("PSIG-THREAD-DIRECTED")
@requires(PIDFD_THREAD)
@pytest.mark.parametrize("leader", [True, False], ids=["leader", "other-thread"])
@pytest.mark.parametrize(
    ("opened", "scope", "reaches"),
    [
        (Pidfd(0), Scope(0), TO_PROCESS),
        (Pidfd(0), PIDFD_SIGNAL_THREAD, TO_THREAD),
        (Pidfd(0), PIDFD_SIGNAL_THREAD_GROUP, TO_PROCESS),
        (PIDFD_THREAD, Scope(0), TO_THREAD),
        (PIDFD_THREAD, PIDFD_SIGNAL_THREAD, TO_THREAD),
        (PIDFD_THREAD, PIDFD_SIGNAL_THREAD_GROUP, TO_PROCESS),
    ],
    ids=[
        "process-0",
        "process-THREAD",
        "process-THREAD_GROUP",
        "thread-0",
        "thread-THREAD",
        "thread-THREAD_GROUP",
    ],
)
def test_thread_or_process(opened, scope, reaches, leader):
    with Actor(start_thread) as actor:
        other = actor.act()
        target = other if opened & PIDFD_THREAD and not leader else actor.pid
        with pidfd_of(target, opened) as fd:
            pidfd_send_signal(fd, SIGNAL, flags=scope)
        assert pending(actor.pid, target) == reaches
        (sibling,) = {actor.pid, other} - {target}
        assert pending(actor.pid, sibling) == (TO_PROCESS if reaches == TO_PROCESS else NOBODY)


@pytest.mark.parametrize(
    ("fd", "reaches"),
    [
        pytest.param(PIDFD_SELF_THREAD, TO_THREAD, marks=pytest.mark.behaviour("PSIG-SELF")),
        pytest.param(PIDFD_SELF_THREAD_GROUP, TO_PROCESS, marks=pytest.mark.behaviour("PSIG-SELF-GROUP")),
    ],
    ids=["thread", "process"],
)
@requires(PIDFD_SELF_THREAD, lambda fd: fd)
def test_oneself(fd, reaches):
    def send_from_a_thread():
        block()
        with ThreadActor(lambda: pidfd_send_signal(fd, SIGNAL)) as thread:
            thread.act()
            return pending(os.getpid(), thread.tid)

    assert in_child(send_from_a_thread) == reaches


@contextlib.contextmanager
def group_of(size):
    """Have children that block the signal, in a process group of their own, of which the first is the leader."""
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(Actor(block)) for _ in range(size)]
        for member in members:
            member.act()
            os.setpgid(member.pid, members[0].pid)
        yield members


@pytest.mark.behaviour("PSIG-PGRP")
@requires(PIDFD_THREAD)
@pytest.mark.parametrize("opened", [Pidfd(0), PIDFD_THREAD])
def test_process_group(opened):
    with group_of(2) as members, Actor(block) as outsider:
        outsider.act()
        with pidfd_of(members[0].pid, opened) as fd:
            pidfd_send_signal(fd, SIGNAL, flags=PIDFD_SIGNAL_PROCESS_GROUP)
        assert [pending(member.pid, member.pid) for member in members] == [TO_PROCESS, TO_PROCESS]
        assert pending(outsider.pid, outsider.pid) == NOBODY


@pytest.mark.behaviour("PSIG-PGRP")
@requires(PIDFD_THREAD)
def test_process_that_leads_no_group():
    with group_of(2) as (_, member), pidfd_of(member.pid) as fd:
        expect(ESRCH, pidfd_send_signal, fd, SIGNAL, flags=PIDFD_SIGNAL_PROCESS_GROUP)


@pytest.mark.behaviour("PSIG-PGRP-LEADERLESS")
@requires(PIDFD_THREAD)
def test_group_whose_leader_was_reaped():
    with group_of(2) as (leader, member), pidfd_of(leader.pid) as fd:
        leader.exit()
        leader.reap()
        expect(ESRCH, pidfd_send_signal, fd, SIGNAL)
        pidfd_send_signal(fd, SIGNAL, flags=PIDFD_SIGNAL_PROCESS_GROUP)
        assert pending(member.pid, member.pid) == TO_PROCESS
