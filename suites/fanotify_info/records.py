# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of an event which the tests of this suite look at."""

from helpers.events import Event, FidRecord
from helpers.handles import FileHandle
from helpers.uapi import FAN_EVENT_METADATA_LEN, InfoType

FIXED_PART = 20
"""Bytes before the handle: the header of the record, the fsid, and the head of the handle."""


def records_of(event: Event) -> bytes:
    """Return the bytes of all records of an event."""
    return event.raw[FAN_EVENT_METADATA_LEN:]


def fid_of(event: Event, kind: InfoType) -> FidRecord:
    """Return the only record of this type, one of those with a file handle."""
    (record,) = [record for record in event.records if record.type == kind]
    assert isinstance(record, FidRecord)
    return record


def handle_of(record: FidRecord) -> FileHandle:
    """Return the file handle of a record."""
    return FileHandle(record.handle_type, record.handle)


def rounded_up(length: int, to: int = 4) -> int:
    """Return the next multiple."""
    return -(-length // to) * to
