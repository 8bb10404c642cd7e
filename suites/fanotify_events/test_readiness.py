# SPDX-License-Identifier: GPL-2.0-or-later
"""What poll(2), epoll(7), select(2), ioctl(2) and lseek(2) say of a group."""

import contextlib
import fcntl
import os
import select
import sys
import termios
from errno import EINVAL, ENOTTY

import pytest

from helpers.actors import Actor, sleeps_in
from helpers.errors import expect, outcome
from helpers.fanotify import FanotifyGroup, watching
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_ON_CHILD,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
    Init,
)
from helpers.waiting import wait_until


def by_poll(group):
    poll = select.poll()
    poll.register(group, select.POLLIN | select.POLLOUT)
    bits = dict(poll.poll(0)).get(group.fd, 0)
    return bool(bits & select.POLLIN), bool(bits & ~select.POLLIN)


def by_epoll(group):
    with select.epoll() as epoll:
        epoll.register(group, select.EPOLLIN | select.EPOLLOUT)
        bits = dict(epoll.poll(0)).get(group.fd, 0)
        return bool(bits & select.EPOLLIN), bool(bits & ~select.EPOLLIN)


def by_select(group):
    readers, writers, others = select.select([group], [group], [group], 0)
    return bool(readers), bool(writers or others)


EACH_CALL = pytest.mark.parametrize("ask", [by_poll, by_epoll, by_select], ids=lambda ask: ask.__name__)
NOTHING, READABLE_ONLY = (False, False), (True, False)


@pytest.mark.behaviour("META-POLL")
@EACH_CALL
def test_ready_for_reading_while_there_are_events(file, ask):
    with watching(file, FAN_OPEN) as group:
        assert ask(group) == NOTHING
        file.read_bytes()
        assert ask(group) == READABLE_ONLY
        group.read_one()
        assert ask(group) == NOTHING


@pytest.mark.behaviour("META-POLL")
@EACH_CALL
def test_ready_while_a_buffer_is_too_small(file, ask):
    with watching(file, FAN_OPEN) as group:
        file.read_bytes()
        expect(EINVAL, group.read_bytes, 1)
        assert ask(group) == READABLE_ONLY


@pytest.mark.behaviour("META-POLL")
def test_waiting_poll_is_woken(file):
    def act():
        poll = select.poll()
        poll.register(group, select.POLLIN)
        return poll.poll()

    with watching(file, FAN_OPEN) as group, Actor(act, keep=[group.fd]) as poller:
        poller.start()
        wait_until(lambda: sleeps_in(poller.pid, "poll"), "the poller waits")
        file.read_bytes()
        assert poller.finish() == [(group.fd, select.POLLIN)]


def queued_bytes(group):
    return int.from_bytes(fcntl.ioctl(group, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.behaviour("META-FIONREAD")
def test_bytes_of_no_event(file):
    with watching(file, FAN_OPEN) as group:
        assert queued_bytes(group) == 0
        file.read_bytes()
        group.read_one()
        assert queued_bytes(group) == 0


@pytest.mark.behaviour("META-FIONREAD")
def test_bytes_of_events_without_records(ext4_dir):
    with two_events(ext4_dir, Init(0)) as group:
        assert queued_bytes(group) == sum(len(event.raw) for event in group.read())


@pytest.mark.behaviour("META-FIONREAD-RECORDS")
@requires(FAN_REPORT_PIDFD)
@pytest.mark.parametrize(
    "flags", [FAN_REPORT_PIDFD, FAN_REPORT_FID, FAN_REPORT_DFID_NAME, FAN_REPORT_DFID_NAME | FAN_REPORT_PIDFD]
)
def test_bytes_of_events_with_records(ext4_dir, flags):
    """A reader which asked how much room it needs must be able to read with it."""
    with two_events(ext4_dir, flags) as group:
        assert queued_bytes(group) == sum(len(event.raw) for event in group.read())


@contextlib.contextmanager
def two_events(directory, flags):
    for name in ("one", "other"):
        (directory / name).touch()
    with watching(directory, FAN_OPEN | FAN_EVENT_ON_CHILD, flags) as group:
        for name in ("one", "other"):
            (directory / name).read_bytes()
        yield group


@pytest.mark.behaviour("META-IOCTL-OTHER")
@pytest.mark.parametrize("request_", [0x1234, termios.TCGETS, termios.TIOCOUTQ], ids=hex)
def test_other_ioctls(request_):
    with FanotifyGroup() as group:
        expect(ENOTTY, fcntl.ioctl, group, request_, bytes(64))


@pytest.mark.behaviour("META-LSEEK")
@pytest.mark.parametrize("whence", [os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
def test_seeking(file, whence):
    """As on every descriptor that has no position: ESPIPE before 6.0, and since then nothing happens."""
    without_position = os.eventfd(0)
    with watching(file, FAN_OPEN) as group:
        file.read_bytes()
        expect(outcome(os.lseek, without_position, 100, whence), os.lseek, group.fd, 100, whence)
        assert group.read_one().mask == FAN_OPEN
    os.close(without_position)
