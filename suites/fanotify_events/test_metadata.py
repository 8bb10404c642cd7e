# SPDX-License-Identifier: GPL-2.0-or-later
"""The fixed part of every event, and how long the whole is."""

import ctypes

import pytest

from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLOSE,
    FAN_CREATE,
    FAN_EVENT_METADATA_LEN,
    FAN_EVENT_ON_CHILD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
    FANOTIFY_METADATA_VERSION,
    EventMetadata,
    InfoHeader,
    Init,
)

FIDS = (
    Init(0),
    FAN_REPORT_FID,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_DIR_FID | FAN_REPORT_FID,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME | FAN_REPORT_FID,
    FAN_REPORT_DFID_NAME_TARGET,
)
REPORTS = pytest.mark.parametrize("flags", [*FIDS, *(FAN_REPORT_PIDFD | fids for fids in FIDS)])

PIDFD_LEN = 8
FID_HEAD_LEN = 20
"""A FID record without its handle: header, fsid, length and type of the handle."""


pytestmark = requires(FAN_REPORT_PIDFD, FAN_REPORT_TARGET_FID)


def events_of_a_directory(directory, flags):
    """Have events of a directory, of a file in it and, if they can be told, of the new entry."""
    new_entry = FAN_CREATE if flags & ~FAN_REPORT_PIDFD else 0
    mask = FAN_OPEN | FAN_CLOSE | FAN_ONDIR | FAN_EVENT_ON_CHILD | new_entry
    with watching(directory, mask, flags | FAN_NONBLOCK) as group:
        (directory / "entry").touch()
        list(directory.iterdir())
        yield from group.read()


@pytest.mark.behaviour("META-LEN")
@REPORTS
def test_fixed_fields(ext4_dir, flags):
    for event in events_of_a_directory(ext4_dir, flags):
        metadata = EventMetadata.from_buffer_copy(event.raw)
        assert (metadata.vers, metadata.reserved, metadata.metadata_len) == (FANOTIFY_METADATA_VERSION, 0, 24)


@pytest.mark.behaviour("META-SUM")
@REPORTS
def test_records_fill_the_event(ext4_dir, flags):
    for event in events_of_a_directory(ext4_dir, flags):
        metadata = EventMetadata.from_buffer_copy(event.raw)
        assert sum(record_lengths(event.raw)) == metadata.event_len - metadata.metadata_len


def record_lengths(raw):
    offset = FAN_EVENT_METADATA_LEN
    while offset < len(raw):
        yield (length := InfoHeader.from_buffer_copy(raw, offset).len)
        offset += length


@pytest.mark.behaviour("META-EVENTLEN-PIDFD")
@pytest.mark.parametrize(
    ("flags", "length"),
    [
        pytest.param(Init(0), FAN_EVENT_METADATA_LEN, id="plain-24"),
        pytest.param(FAN_REPORT_PIDFD, FAN_EVENT_METADATA_LEN + PIDFD_LEN, id="FAN_REPORT_PIDFD-32"),
    ],
)
def test_length_with_a_pidfd(file, flags, length):
    with watching(file, FAN_OPEN, flags) as group:
        file.read_bytes()
        assert EventMetadata.from_buffer_copy(group.read_one().raw).event_len == length


@pytest.mark.behaviour("META-EVENTLEN-ALIGN")
def test_alignment_of_the_next_event(ext4_dir, file):
    """A mask has eight bytes, and the second event's need not be where a processor would want it."""
    other = ext4_dir / "other"
    other.touch()
    with watching(ext4_dir, FAN_OPEN | FAN_EVENT_ON_CHILD, FAN_REPORT_FID | FAN_REPORT_PIDFD) as group:
        file.read_bytes()
        other.read_bytes()
        first, second = group.read()
        handle = first.one(FidRecord).handle
        assert second.offset == FAN_EVENT_METADATA_LEN + FID_HEAD_LEN + len(handle) + PIDFD_LEN == 60
        assert second.offset % ctypes.sizeof(ctypes.c_uint64) == 4
