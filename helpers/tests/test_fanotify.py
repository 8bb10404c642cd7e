# SPDX-License-Identifier: GPL-2.0-or-later
"""A group closes the descriptors of its events, and its errors name flags."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.descriptors import is_open, open_descriptors
from helpers.errors import UnexpectedAnswer
from helpers.fanotify import FanotifyGroup, fanotify_init, fanotify_mark
from helpers.uapi import FAN_EVENT_ON_CHILD, FAN_MARK_ADD, FAN_NONBLOCK, FAN_OPEN, FAN_REPORT_NAME, O_RDWR
from helpers.waiting import DeadlinePassed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="groups which report descriptors are root's")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


@pytest.fixture
def group(tmp_path: Path) -> Iterator[FanotifyGroup]:
    with FanotifyGroup(FAN_NONBLOCK) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, tmp_path)
        yield group


def test_event_of_a_marked_file(group: FanotifyGroup, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    event = group.read_one()
    assert (event.mask, event.pid) == (FAN_OPEN, os.getpid())
    assert Path(f"/proc/self/fd/{event.fd}").samefile(tmp_path / "file")


def test_disowned_descriptor_stays_open(group: FanotifyGroup, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fd = group.disown(group.read_one().fd)
    group.close()
    assert is_open(fd)
    os.close(fd)


def test_missing_event_is_named(group: FanotifyGroup) -> None:
    awaited = r"waiting for: an event of <group FAN_NONBLOCK>, asked for FAN_OPEN\|FAN_EVENT_ON_CHILD"
    with pytest.raises(DeadlinePassed, match=awaited):
        group.wait()


def test_read_one_refuses_two(group: FanotifyGroup, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).touch()
    with pytest.raises(AssertionError, match="expected one event"):
        group.read_one()


def test_assert_empty(group: FanotifyGroup, tmp_path: Path) -> None:
    group.assert_empty()
    (tmp_path / "file").touch()
    with pytest.raises(UnexpectedAnswer, match=r"expected no event, read .*FAN_OPEN"):
        group.assert_empty()


def test_masks(group: FanotifyGroup, tmp_path: Path) -> None:
    assert group.masks() == []
    (tmp_path / "file").touch()
    assert [bool(mask & FAN_OPEN) for mask in group.masks()] == [True]


def test_closing_twice_is_harmless() -> None:
    group = fanotify_init()
    group.close()
    group.close()


def test_errors_name_flags() -> None:
    with pytest.raises(OSError, match=r"fanotify_init\(FAN_REPORT_NAME, O_RDWR\): EINVAL"):
        fanotify_init(FAN_REPORT_NAME, O_RDWR)
    with pytest.raises(OSError, match=r"fanotify_mark\(-1, FAN_MARK_ADD, FAN_OPEN, -100, '/'\): EBADF"):
        fanotify_mark(-1, FAN_MARK_ADD, FAN_OPEN, "/")
