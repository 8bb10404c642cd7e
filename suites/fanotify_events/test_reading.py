# SPDX-License-Identifier: GPL-2.0-or-later
"""read(2) on a group: how much it returns, and what it does when it cannot."""

import contextlib
import os
import signal
from errno import EFAULT, EINTR, EINVAL

import pytest

from helpers.actors import Actor, sleeps_in
from helpers.descriptors import GuardedBuffer, exhausted, open_descriptors
from helpers.errors import expect
from helpers.events import parse
from helpers.fanotify import watching
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_METADATA_LEN,
    FAN_EVENT_ON_CHILD,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_REPORT_PIDFD,
    Init,
)
from helpers.waiting import readable, wait_until

WITH_PIDFD = FAN_EVENT_METADATA_LEN + 8
SMALL = [0, 1, FAN_EVENT_METADATA_LEN - 1, FAN_EVENT_METADATA_LEN, WITH_PIDFD - 1]


@pytest.fixture
@requires(FAN_REPORT_PIDFD)
def group(file):
    """A group whose events have a descriptor and a pidfd."""
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD | FAN_NONBLOCK) as group:
        yield group


@pytest.fixture
@requires(FAN_REPORT_PIDFD)
def two_events(ext4_dir, file):
    """A group with two events of that kind in its queue."""
    other = ext4_dir / "other"
    other.touch()
    flags = FAN_REPORT_PIDFD | FAN_NONBLOCK
    with watching(ext4_dir, FAN_OPEN | FAN_EVENT_ON_CHILD, flags) as group:
        file.read_bytes()
        other.read_bytes()
        yield group


@pytest.mark.behaviour("META-BUF-SMALL")
@pytest.mark.parametrize("size", SMALL)
def test_buffer_too_small(group, file, size):
    file.read_bytes()
    before = open_descriptors()
    expect(EINVAL, group.read_bytes, size)
    assert open_descriptors() == before
    assert len(group.read(WITH_PIDFD)) == 1


@pytest.mark.behaviour("META-BUF-PARTIAL")
@pytest.mark.parametrize("size", [WITH_PIDFD, 2 * WITH_PIDFD - 1])
def test_buffer_for_one_of_two(two_events, size):
    assert len(two_events.read(size)) == 1
    assert len(two_events.read(size)) == 1
    two_events.assert_empty()


@pytest.mark.behaviour("META-ORDER")
def test_order(ext4_dir):
    files = [ext4_dir / f"{number * 7 % 10}" for number in range(10)]
    for file in files:
        file.touch()
    with watching(ext4_dir, FAN_OPEN | FAN_EVENT_ON_CHILD) as group:
        for file in files:
            file.read_bytes()
        inodes = [os.fstat(event.fd).st_ino for event in group.read()]
        assert inodes == [file.stat().st_ino for file in files]


@pytest.mark.behaviour("META-EFAULT-FIRST")
@pytest.mark.parametrize("room", [0, 8, FAN_EVENT_METADATA_LEN, WITH_PIDFD - 1])
def test_no_room_for_the_event(group, file, room):
    file.read_bytes()
    before = open_descriptors()
    expect(EFAULT, GuardedBuffer(room).read_from, group.fd, 4096)
    assert open_descriptors() == before
    group.assert_empty()


@pytest.mark.behaviour("META-EFAULT-SECOND")
@pytest.mark.parametrize("more", [0, 8, FAN_EVENT_METADATA_LEN, WITH_PIDFD - 1])
def test_no_room_for_the_second_event(two_events, more):
    before, buffer = open_descriptors(), GuardedBuffer(WITH_PIDFD + more)
    expect(EFAULT, buffer.read_from, two_events.fd, 4096)
    two_events.assert_empty()
    (first,) = parse(buffer.content[:WITH_PIDFD])
    assert open_descriptors() - before == {first.fd, first.pidfd}
    for fd in (first.fd, first.pidfd):
        os.close(fd)


@pytest.mark.behaviour("META-ERR-SECOND")
def test_no_descriptor_for_the_second_event(two_events):
    with exhausted(free=2):
        assert len(two_events.read()) == 1
    two_events.assert_empty()


@contextlib.contextmanager
def reader_of(group, *, restart):
    """A child which is blocked in read(2), and a pipe that tells when it has handled SIGUSR1."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)

    def act():
        signal.set_wakeup_fd(tell)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.siginterrupt(signal.SIGUSR1, not restart)
        # os.read would not tell of EINTR, but call again.
        return GuardedBuffer(FAN_EVENT_METADATA_LEN).read_from(group.fd, FAN_EVENT_METADATA_LEN)

    try:
        with Actor(act, keep=[group.fd, tell]) as reader:
            reader.start()
            wait_until(lambda: sleeps_in(reader.pid, "read"), "the reader waits")
            yield reader, told
    finally:
        os.close(told)
        os.close(tell)


@pytest.mark.behaviour("META-EINTR")
def test_signal_interrupts(file):
    with watching(file, FAN_OPEN, Init(0)) as group, reader_of(group, restart=False) as (reader, _):
        os.kill(reader.pid, signal.SIGUSR1)
        expect(EINTR, reader.finish)


@pytest.mark.behaviour("META-EINTR")
def test_signal_which_restarts(file):
    with watching(file, FAN_OPEN, Init(0)) as group, reader_of(group, restart=True) as (reader, handled):
        os.kill(reader.pid, signal.SIGUSR1)
        readable(handled, "the signal is handled")
        wait_until(lambda: sleeps_in(reader.pid, "read"), "the reader reads again")
        file.read_bytes()
        assert reader.finish() == FAN_EVENT_METADATA_LEN


@pytest.mark.behaviour("META-BLOCK")
def test_reader_is_woken(file):
    with watching(file, FAN_OPEN, Init(0)) as group, reader_of(group, restart=True) as (reader, _):
        file.read_bytes()
        assert reader.finish() == FAN_EVENT_METADATA_LEN


@pytest.mark.behaviour("META-BLOCK")
def test_two_readers(ext4_dir, file):
    """Each event is for one reader alone."""
    with (
        watching(file, FAN_OPEN, Init(0)) as group,
        reader_of(group, restart=True) as (one, _),
        reader_of(group, restart=True) as (other, _),
    ):
        file.read_bytes()
        wait_until(lambda: one.is_done() or other.is_done(), "a reader has the event")
        assert one.is_done() != other.is_done()
        file.read_bytes()
        assert one.finish() == other.finish() == FAN_EVENT_METADATA_LEN
