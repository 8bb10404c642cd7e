# SPDX-License-Identifier: GPL-2.0-or-later
"""The RANGE record of FAN_PRE_ACCESS: its layout, and which pages it names."""

import mmap
import os
import struct

import pytest

from helpers.actors import Actor
from helpers.events import RangeRecord
from helpers.fanotify import watching
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_PRE_CONTENT,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_EVENT_INFO_TYPE_RANGE,
    FAN_EVENT_METADATA_LEN,
    FAN_PRE_ACCESS,
    FAN_REPORT_PIDFD,
)
from suites.fanotify_info.records import records_of

PAGE = mmap.PAGESIZE
RANGE = struct.Struct("=BBHIQQ")
PIDFD_LENGTH = 8


@pytest.fixture
@requires(FAN_PRE_ACCESS)
def file(ext4_dir):
    file = ext4_dir / "file"
    file.write_bytes(bytes(4 * PAGE))
    return file


def event_of(file, act, flags=0):
    """Have a child do something with the open file, and return the event that it raised."""

    def open_and_act():
        fd = os.open(file, os.O_RDWR)
        return act(fd)

    with (
        watching(file, FAN_PRE_ACCESS, flags | FAN_CLASS_PRE_CONTENT) as group,
        Actor(open_and_act) as actor,
    ):
        actor.start()
        event = group.read_one()
        group.respond(event.fd, FAN_ALLOW)
        actor.finish()
        return event


@pytest.mark.behaviour("INFO-RANGE-LAYOUT", "INFO-HDR-PAD")
def test_layout(file):
    event = event_of(file, lambda fd: os.pread(fd, 1, 0))
    assert records_of(event) == RANGE.pack(FAN_EVENT_INFO_TYPE_RANGE, 0, RANGE.size, 0, 0, PAGE)
    assert FAN_EVENT_METADATA_LEN % 8 == 0


@pytest.mark.behaviour("INFO-RANGE-LAYOUT", "INFO-ORDER", "INFO-PIDFD-SINGLE")
@requires(FAN_REPORT_PIDFD)
def test_layout_behind_a_pidfd(file):
    event = event_of(file, lambda fd: os.pread(fd, 1, 0), FAN_REPORT_PIDFD)
    assert event.types == [FAN_EVENT_INFO_TYPE_PIDFD, FAN_EVENT_INFO_TYPE_RANGE]
    assert records_of(event)[PIDFD_LENGTH:] == RANGE.pack(
        FAN_EVENT_INFO_TYPE_RANGE, 0, RANGE.size, 0, 0, PAGE
    )


@pytest.mark.behaviour("INFO-RANGE-PAGE")
@pytest.mark.parametrize(
    ("act", "offset", "count"),
    [
        pytest.param(lambda fd: os.pread(fd, 77, PAGE), PAGE, PAGE, id="read-in-the-second-page"),
        pytest.param(lambda fd: os.pread(fd, PAGE, 100), 0, 2 * PAGE, id="read-across-pages"),
        pytest.param(lambda fd: os.pread(fd, PAGE, PAGE), PAGE, PAGE, id="read-of-a-page"),
        pytest.param(lambda fd: os.pwrite(fd, b"bytes", 10), 0, PAGE, id="write"),
    ],
)
def test_range_is_whole_pages(file, act, offset, count):
    assert event_of(file, act).one(RangeRecord) == RangeRecord(offset, count)


@pytest.mark.behaviour("INFO-RANGE-TRUNCATE")
def test_truncating(file):
    event = event_of(file, lambda fd: os.ftruncate(fd, PAGE + 100))
    assert event.one(RangeRecord) == RangeRecord(PAGE, PAGE)


@pytest.mark.behaviour("INFO-RANGE-MMAP")
def test_mapping(file):
    event = event_of(file, lambda fd: mmap.mmap(fd, 100, offset=PAGE).close())
    assert event.one(RangeRecord) == RangeRecord(PAGE, PAGE)
