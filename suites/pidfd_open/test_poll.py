# SPDX-License-Identifier: GPL-2.0-or-later
"""poll, select and epoll on pidfds, and waiting without blocking."""

import contextlib
import os
import select
import threading
from errno import EAGAIN, EPERM
from signal import SIGKILL

import pytest

from helpers.actors import Actor
from helpers.changes import changed_by
from helpers.descriptors import opened
from helpers.errors import expect
from helpers.pidfd import own_pidfd, pidfd_of, pidfd_send_signal, poll, waitid
from helpers.uapi import PIDFD_NONBLOCK, PIDFD_THREAD, POLLHUP, POLLIN, Poll
from helpers.waiting import scaled

EVERYTHING = select.POLLIN | select.POLLOUT | select.POLLPRI


def by_poll(fd, seconds=0):
    polled = select.poll()
    polled.register(fd, EVERYTHING)
    return Poll(dict(polled.poll(scaled(seconds) * 1000)).get(fd, 0))


def by_select(fd, seconds=0):
    # select(2) knows no hang-up: it counts as readable.
    read, write, _ = select.select([fd], [fd], [], scaled(seconds))
    return (POLLIN if read else Poll(0)) | (Poll(select.POLLOUT) if write else Poll(0))


def by_epoll(fd, seconds=0):
    with select.epoll() as polled:
        polled.register(fd, EVERYTHING)
        return Poll(dict(polled.poll(scaled(seconds))).get(fd, 0))


def by_edge(fd, seconds=0):
    with select.epoll() as polled:
        polled.register(fd, EVERYTHING | select.EPOLLET)
        return Poll(dict(polled.poll(scaled(seconds))).get(fd, 0))


WAYS = [by_poll, by_select, by_epoll, by_edge]


@pytest.mark.behaviour("POPEN-POLL", "POPEN-POLL-HUP")
@pytest.mark.parametrize("how", WAYS)
@changed_by(PIDFD_THREAD, before=POLLIN, after=lambda how: POLLIN if how is by_select else POLLIN | POLLHUP)
def test_states(how, answer):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert how(fd) == Poll(0)
        actor.exit()
        assert how(fd) == POLLIN
        actor.reap()
        assert how(fd) == answer


@contextlib.contextmanager
def waiting(how, fd):
    """Have a thread wait for a pidfd; give a list in which it will find what was reported."""
    found = []
    thread = threading.Thread(target=lambda: found.append(how(fd, seconds=5)))
    thread.start()
    try:
        yield found
    finally:
        thread.join()


@pytest.mark.behaviour("POPEN-POLL-WAKES")
@pytest.mark.parametrize("how", WAYS)
def test_who_waits_is_woken(how):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        with waiting(how, fd) as found:
            pidfd_send_signal(fd, SIGKILL)
        assert found == [POLLIN]


@pytest.mark.behaviour("POPEN-PROCDIR-POLL")
def test_directory_of_a_process():
    with Actor(os.getpid) as actor, opened(f"/proc/{actor.pid}", os.O_RDONLY | os.O_DIRECTORY) as directory:
        expect(EPERM, by_epoll, directory)
        assert POLLIN in poll(directory)


@pytest.mark.behaviour("POPEN-NONBLOCK")
def test_wait_without_blocking():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid, PIDFD_NONBLOCK) as fd:
        assert not os.get_blocking(fd)
        expect(EAGAIN, waitid, fd, os.WEXITED)
        assert waitid(fd, os.WEXITED | os.WNOHANG).si_pid == 0
        actor.exit()
        assert waitid(fd, os.WEXITED).si_pid == actor.pid


@pytest.mark.behaviour("POPEN-NONBLOCK-FCNTL")
def test_blocking_is_switched():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        os.set_blocking(fd, False)
        expect(EAGAIN, waitid, fd, os.WEXITED)
        os.set_blocking(fd, True)
        actor.leave()
        assert waitid(fd, os.WEXITED).si_pid == actor.pid


@pytest.mark.behaviour("POPEN-POLL")
def test_own_process():
    with own_pidfd() as fd:
        assert [how(fd) for how in WAYS] == [Poll(0)] * len(WAYS)
