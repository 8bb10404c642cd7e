# SPDX-License-Identifier: GPL-2.0-or-later
"""File handles in records, on every disk filesystem, against the system calls that give the same."""

import os

import pytest

from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.handles import fsid, name_to_handle, open_by_handle
from helpers.uapi import FAN_OPEN, FAN_REPORT_FID
from suites.fanotify_info.records import FIXED_PART, handle_of, records_of, rounded_up


@pytest.fixture
def opened(disk_dir):
    """A file, and the event of its having been opened."""
    file = disk_dir / "file"
    file.touch()
    with watching(file, FAN_OPEN, FAN_REPORT_FID) as group:
        file.read_bytes()
        return file, group.read_one()


@pytest.mark.behaviour("INFO-FID-LAYOUT", "INFO-HANDLE-LEN-VARY")
def test_length(opened):
    _, event = opened
    assert len(records_of(event)) == rounded_up(FIXED_PART + len(event.one(FidRecord).handle))


@pytest.mark.behaviour("INFO-FID-FSID")
def test_fsid(opened):
    file, event = opened
    assert event.one(FidRecord).fsid == fsid(file)


@pytest.mark.behaviour("INFO-FID-HANDLE", "INFO-HANDLE-LEN-VARY")
def test_handle(opened):
    file, event = opened
    assert handle_of(event.one(FidRecord)) == name_to_handle(file)


@pytest.mark.behaviour("INFO-FID-HANDLE")
def test_handle_opens_the_object(opened):
    file, event = opened
    fd = open_by_handle(file.parent, handle_of(event.one(FidRecord)))
    assert os.fstat(fd).st_ino == file.stat().st_ino
    os.close(fd)
