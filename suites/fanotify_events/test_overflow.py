# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader gets when more happened than the queue may hold."""

import contextlib
from errno import EBADF, ESRCH

import pytest

from helpers import sysctl
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_EVENT_METADATA_LEN,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_NOPIDFD,
    FAN_OPEN,
    FAN_Q_OVERFLOW,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    FAN_UNLIMITED_QUEUE,
    Init,
)

NOBODY = 0
ROOM = 3


pytestmark = requires(Feature.UNPRIVILEGED_GROUPS)  # brought the settings in /proc/sys


@contextlib.contextmanager
def overflown(directory, flags, opens=ROOM + 2):
    """A group with room for a few events, and more files opened than that."""
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", ROOM):
        group = FanotifyGroup(flags | FAN_NONBLOCK)
    with group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, directory)
        for number in range(opens):
            (directory / str(number)).touch()
        yield group


def overflow_of(group):
    """Read all events and return the last."""
    *others, last = group.read()
    assert [event.mask for event in others] == [FAN_OPEN] * ROOM
    return last


@pytest.mark.behaviour("META-OVERFLOW")
@pytest.mark.parametrize("flags", [Init(0), FAN_REPORT_FID, FAN_REPORT_DFID_NAME, FAN_REPORT_TID])
def test_overflow(ext4_dir, flags):
    with overflown(ext4_dir, flags) as group:
        event = overflow_of(group)
        assert (event.mask, event.fd, event.pid) == (FAN_Q_OVERFLOW, FAN_NOFD, NOBODY)
        assert len(event.raw) == FAN_EVENT_METADATA_LEN


@pytest.mark.behaviour("META-OVERFLOW-FDERR")
@requires(FAN_REPORT_FD_ERROR)
@pytest.mark.parametrize("flags", [Init(0), FAN_REPORT_FID])
def test_overflow_with_errors(ext4_dir, flags):
    with overflown(ext4_dir, flags | FAN_REPORT_FD_ERROR) as group:
        event = overflow_of(group)
        assert (event.mask, event.fd, event.pid) == (FAN_Q_OVERFLOW, -EBADF, NOBODY)


@pytest.mark.behaviour("META-OVERFLOW-PIDFD")
@pytest.mark.parametrize(
    ("more", "pidfd"),
    [
        pytest.param(Init(0), FAN_NOPIDFD, id="FAN_NOPIDFD"),
        pytest.param(FAN_REPORT_FD_ERROR, -ESRCH, id="FAN_REPORT_FD_ERROR-ESRCH"),
    ],
)
@requires(FAN_REPORT_PIDFD, lambda more: more)
def test_overflow_with_a_pidfd(ext4_dir, more, pidfd):
    with overflown(ext4_dir, FAN_REPORT_PIDFD | FAN_REPORT_FID | more) as group:
        event = overflow_of(group)
        assert (event.types, event.pidfd) == ([FAN_EVENT_INFO_TYPE_PIDFD], pidfd)


@pytest.mark.behaviour("META-OVERFLOW-ONCE")
def test_one_overflow_until_it_is_read(ext4_dir):
    with overflown(ext4_dir, Init(0), opens=50) as group:
        assert overflow_of(group).mask == FAN_Q_OVERFLOW
        group.assert_empty()
        for number in range(50):
            (ext4_dir / str(number)).read_bytes()
        assert overflow_of(group).mask == FAN_Q_OVERFLOW


@pytest.mark.behaviour("META-OVERFLOW-NOMERGE")
def test_full_queue_takes_nothing(ext4_dir):
    """Not even what would need no room, because it is like an event that waits already."""
    with overflown(ext4_dir, Init(0), opens=ROOM) as group:
        (ext4_dir / "0").read_bytes()
        assert overflow_of(group).mask == FAN_Q_OVERFLOW


@pytest.mark.behaviour("META-OVERFLOW-UNLIMITED")
def test_unlimited_queue(ext4_dir):
    with overflown(ext4_dir, FAN_UNLIMITED_QUEUE, opens=50) as group:
        assert [event.mask for event in group.read()] == [FAN_OPEN] * 50
