# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader gets when more happened than the queue may hold."""

import contextlib
from errno import EBADF, ESRCH

import pytest

from helpers import sysctl
from helpers.events import METADATA_LEN
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, require
from helpers.uapi import FAN_NOFD, FAN_NOPIDFD, InfoType, Init, Mark, Mask

NOBODY = 0
ROOM = 3


@pytest.fixture(autouse=True)
def _limits():
    require(Feature.UNPRIVILEGED_GROUPS)  # brought the settings in /proc/sys


@contextlib.contextmanager
def overflown(directory, flags, opens=ROOM + 2):
    """A group with room for a few events, and more files opened than that."""
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", ROOM):
        group = FanotifyGroup(flags | Init.NONBLOCK)
    with group:
        group.mark(Mark.ADD, Mask.OPEN | Mask.EVENT_ON_CHILD, directory)
        for number in range(opens):
            (directory / str(number)).touch()
        yield group


def overflow_of(group):
    """Read all events and return the last."""
    *others, last = group.read()
    assert [event.mask for event in others] == [Mask.OPEN] * ROOM
    return last


@pytest.mark.behaviour("META-OVERFLOW")
@pytest.mark.parametrize("flags", [Init(0), Init.REPORT_FID, Init.REPORT_DFID_NAME, Init.REPORT_TID], ids=str)
def test_overflow(ext4_dir, flags):
    with overflown(ext4_dir, flags) as group:
        event = overflow_of(group)
        assert (event.mask, event.fd, event.pid) == (Mask.Q_OVERFLOW, FAN_NOFD, NOBODY)
        assert len(event.raw) == METADATA_LEN


@pytest.mark.behaviour("META-OVERFLOW-FDERR")
@pytest.mark.parametrize("flags", [Init(0), Init.REPORT_FID], ids=str)
def test_overflow_with_errors(ext4_dir, flags):
    require(Feature.REPORT_FD_ERROR)
    with overflown(ext4_dir, flags | Init.REPORT_FD_ERROR) as group:
        event = overflow_of(group)
        assert (event.mask, event.fd, event.pid) == (Mask.Q_OVERFLOW, -EBADF, NOBODY)


@pytest.mark.behaviour("META-OVERFLOW-PIDFD")
@pytest.mark.parametrize(
    ("more", "pidfd"),
    [
        pytest.param(Init(0), FAN_NOPIDFD, id="FAN_NOPIDFD"),
        pytest.param(Init.REPORT_FD_ERROR, -ESRCH, id="FAN_REPORT_FD_ERROR-ESRCH"),
    ],
)
def test_overflow_with_a_pidfd(ext4_dir, more, pidfd):
    require(Feature.REPORT_PIDFD, *([Feature.REPORT_FD_ERROR] if more else []))
    with overflown(ext4_dir, Init.REPORT_PIDFD | Init.REPORT_FID | more) as group:
        event = overflow_of(group)
        assert (event.types, event.pidfd) == ([InfoType.PIDFD], pidfd)


@pytest.mark.behaviour("META-OVERFLOW-ONCE")
def test_one_overflow_until_it_is_read(ext4_dir):
    with overflown(ext4_dir, Init(0), opens=50) as group:
        assert overflow_of(group).mask == Mask.Q_OVERFLOW
        group.assert_empty()
        for number in range(50):
            (ext4_dir / str(number)).read_bytes()
        assert overflow_of(group).mask == Mask.Q_OVERFLOW


@pytest.mark.behaviour("META-OVERFLOW-NOMERGE")
def test_full_queue_takes_nothing(ext4_dir):
    """Not even what would need no room, because it is like an event that waits already."""
    with overflown(ext4_dir, Init(0), opens=ROOM) as group:
        (ext4_dir / "0").read_bytes()
        assert overflow_of(group).mask == Mask.Q_OVERFLOW


@pytest.mark.behaviour("META-OVERFLOW-UNLIMITED")
def test_unlimited_queue(ext4_dir):
    with overflown(ext4_dir, Init.UNLIMITED_QUEUE, opens=50) as group:
        assert [event.mask for event in group.read()] == [Mask.OPEN] * 50
