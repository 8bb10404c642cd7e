# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that sleep until a pidfd is ready: every way of waiting is woken, and nobody wakes before."""

import contextlib
import os
import select
from signal import SIGKILL

import pytest

from helpers.actors import Actor, ThreadActor, sleeps_in
from helpers.pidfd import pidfd_of, pidfd_send_signal
from helpers.requirements import requires
from helpers.uapi import PIDFD_THREAD, POLLHUP, POLLIN, Pidfd, Poll
from helpers.waiting import wait_until


def by_poll(fd, events=select.POLLIN):
    polled = select.poll()
    polled.register(fd, events)
    return Poll(dict(polled.poll())[fd])


def by_select(fd):
    return POLLIN if select.select([fd], [], []) == ([fd], [], []) else Poll(0)


def by_epoll(fd, events=select.EPOLLIN):
    with select.epoll() as polled:
        polled.register(fd, events)
        return Poll(dict(polled.poll())[fd])


def by_edge(fd):
    return by_epoll(fd, select.EPOLLIN | select.EPOLLET)


WAYS = {by_poll: "poll", by_select: "pselect6", by_epoll: "epoll_wait", by_edge: "epoll_wait"}
"""How to wait without a limit, and the system call in which the waiter sleeps."""
BY_WAY = pytest.mark.parametrize("how", WAYS)


@contextlib.contextmanager
def sleeping(call, fd, *arguments):
    """Have a process that sleeps until a descriptor is ready."""
    with Actor(lambda: call(fd, *arguments), keep=[fd]) as waiter:
        waiter.start()
        wait_until(lambda: sleeps_in(waiter.pid, WAYS[call]), f"{waiter.pid} sleeps in {WAYS[call]}")
        yield waiter


@pytest.mark.behaviour("POPEN-SLEEPER")
@BY_WAY
@pytest.mark.parametrize("flags", [Pidfd(0), PIDFD_THREAD])
@requires(lambda flags: flags)
def test_process_that_exits(how, flags):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid, flags) as fd, sleeping(how, fd) as waiter:
        pidfd_send_signal(fd, SIGKILL)
        assert waiter.finish() == POLLIN


@pytest.mark.behaviour("POPEN-SLEEPER")
@BY_WAY
def test_several_waiters(how):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd, contextlib.ExitStack() as stack:
        waiters = [stack.enter_context(sleeping(how, fd)) for _ in range(3)]
        actor.exit()
        assert [waiter.finish() for waiter in waiters] == [POLLIN] * 3


@pytest.mark.behaviour("POPEN-SLEEPER-HUP")
@pytest.mark.parametrize("how", [by_poll, by_epoll])
@requires(PIDFD_THREAD)
def test_process_that_is_reaped(how):
    """Who asks for nothing gets POLLHUP alone."""
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd, sleeping(how, fd, 0) as waiter:
        actor.exit()
        wait_until(lambda: sleeps_in(waiter.pid, WAYS[how]), "the waiter of a zombie sleeps on")
        assert not waiter.is_done()
        actor.reap()
        assert waiter.finish() == POLLHUP


@pytest.mark.behaviour("POPEN-SLEEPER-THREAD")
@BY_WAY
@requires(PIDFD_THREAD)
def test_thread_that_exits(how):
    with (
        ThreadActor(os.getpid) as thread,
        pidfd_of(thread.tid, PIDFD_THREAD) as fd,
        sleeping(how, fd) as waiter,
    ):
        thread.exit()
        assert waiter.finish() & POLLIN
