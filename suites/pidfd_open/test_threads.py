# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads: pidfds of their own, and what a process is while some of them have ended."""

import contextlib
import os
import threading
from errno import EINVAL, ENOENT, ESRCH
from signal import SIGKILL

import pytest

from helpers import fdinfo
from helpers.actors import Actor, ActorDied, LeaderlessActor, ThreadActor
from helpers.changes import changed_by
from helpers.errors import OK, expect
from helpers.pidfd import pidfd_of, pidfd_open, pidfd_send_signal, poll
from helpers.requirements import requires
from helpers.uapi import PIDFD_INFO_COREDUMP, PIDFD_NONBLOCK, PIDFD_THREAD, POLLHUP, POLLIN, Pidfd, Poll


@pytest.mark.behaviour("POPEN-TID")
@changed_by(PIDFD_INFO_COREDUMP, before=EINVAL, after=ENOENT)  # of the same release, 6.16
def test_thread_without_the_flag(answer):
    with ThreadActor(os.getpid) as thread:
        expect(answer, pidfd_open, thread.tid)
        expect(answer, pidfd_open, thread.tid, PIDFD_NONBLOCK)


@pytest.mark.behaviour("POPEN-THREAD")
@pytest.mark.parametrize("more", [Pidfd(0), PIDFD_NONBLOCK])
@changed_by(PIDFD_THREAD, before=EINVAL, after=OK)
def test_thread(more, answer):
    with ThreadActor(os.getpid) as thread:
        if answer != OK:
            expect(answer, pidfd_open, thread.tid, PIDFD_THREAD | more)
            return
        with pidfd_of(thread.tid, PIDFD_THREAD | more) as fd:
            info = fdinfo.read_pidfd(fd)
            assert info.pid == thread.tid
            assert info.flags & (PIDFD_THREAD | PIDFD_NONBLOCK) == PIDFD_THREAD | more


@pytest.mark.behaviour("POPEN-THREAD-POLL")
@requires(PIDFD_THREAD)
def test_thread_that_ends():
    with ThreadActor(os.getpid) as thread, pidfd_of(thread.tid, PIDFD_THREAD) as fd:
        assert poll(fd) == Poll(0)
        thread.exit()
        assert poll(fd) == POLLIN | POLLHUP
        assert fdinfo.read_pidfd(fd).pid == -1
        expect(ESRCH, pidfd_send_signal, fd, 0)


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(Pidfd(0), marks=pytest.mark.behaviour("POPEN-PROC-POLL")),
        pytest.param(PIDFD_THREAD, marks=pytest.mark.behaviour("POPEN-LEADER-POLL")),
    ],
)
@requires(lambda flags: flags)
def test_leader_that_exits_first(flags):
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid, flags) as fd:
        assert poll(fd) == Poll(0)
        assert actor.act() == actor.pid
        assert poll(fd) == Poll(0)
        actor.exit()
        assert poll(fd) == POLLIN


@pytest.mark.behaviour("POPEN-PROC-POLL")
def test_signal_to_a_process_whose_leader_has_exited():
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, SIGKILL)
        actor.await_zombie()
        assert actor.reap() == -SIGKILL


class ThreadThatExecutes:
    """An act which first starts a thread and returns its number, and then has it execute a program."""

    def __init__(self):
        self._go = threading.Event()
        self._thread = None

    def __call__(self):
        if self._thread is None:
            self._thread = threading.Thread(target=self._execute, daemon=True)
            self._thread.start()
            return self._thread.native_id
        self._go.set()
        return self._thread.join()

    def _execute(self):
        self._go.wait()
        os.execvp("sleep", ["sleep", "1000"])


@pytest.mark.behaviour("POPEN-THREAD-EXEC")
@requires(PIDFD_THREAD)
def test_thread_that_executes_a_program():
    with Actor(ThreadThatExecutes()) as actor:
        tid = actor.act()
        with (
            pidfd_of(actor.pid) as process,
            pidfd_of(actor.pid, PIDFD_THREAD) as leader,
            pidfd_of(tid, PIDFD_THREAD) as thread,
        ):
            actor.start()
            # The channel of the actor is close-on-exec: it ends when the program begins.
            with contextlib.suppress(ActorDied):
                actor.finish()
            assert [poll(fd) for fd in (process, leader, thread)] == [Poll(0), Poll(0), POLLIN | POLLHUP]
            pids = [fdinfo.read_pidfd(fd).pid for fd in (process, leader, thread)]
            assert pids == [actor.pid, actor.pid, -1]
            expect(ESRCH, pidfd_send_signal, thread, 0)
            pidfd_send_signal(leader, SIGKILL)
            actor.await_zombie()
            assert [poll(fd) for fd in (process, leader)] == [POLLIN, POLLIN]
