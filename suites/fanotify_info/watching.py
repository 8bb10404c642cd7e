# SPDX-License-Identifier: GPL-2.0-or-later
"""A group with one mark, and the parts of an event which its tests look at."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from helpers.events import METADATA_LEN, Event, FidRecord
from helpers.fanotify import FanotifyGroup
from helpers.handles import FileHandle
from helpers.uapi import InfoType, Mark


@contextlib.contextmanager
def watching(path: Path, mask: int, flags: int, mark: int = Mark.INODE) -> Iterator[FanotifyGroup]:
    """Have a group of these fanotify_init flags with a mark on `path`."""
    with FanotifyGroup(flags) as group:
        group.mark(Mark.ADD | mark, mask, path)
        yield group


def records_of(event: Event) -> bytes:
    """Return the bytes of all records of an event."""
    return event.raw[METADATA_LEN:]


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
