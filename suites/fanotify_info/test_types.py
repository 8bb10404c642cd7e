# SPDX-License-Identifier: GPL-2.0-or-later
"""Which records an event has, and in what order, for each way to report file handles."""

import pytest

from helpers.events import FidRecord, PidfdRecord
from helpers.fanotify import watching
from helpers.handles import name_to_handle
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_EVENT_INFO_TYPE_DFID,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_EVENT_ON_CHILD,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
    Init,
)
from suites.fanotify_info.records import fid_of, handle_of

# what is reported, the behaviours, the records of a child's event, those of a new entry's
ROWS = (
    (FAN_REPORT_FID, ["INFO-FID-ONLY"], [FAN_EVENT_INFO_TYPE_FID], [FAN_EVENT_INFO_TYPE_FID]),
    (
        FAN_REPORT_DIR_FID,
        ["INFO-DIRFID-ONLY", "INFO-DIRFID-TYPE"],
        [FAN_EVENT_INFO_TYPE_FID],
        [FAN_EVENT_INFO_TYPE_DFID],
    ),
    (
        FAN_REPORT_FID | FAN_REPORT_DIR_FID,
        ["INFO-FID-DIRFID"],
        [FAN_EVENT_INFO_TYPE_DFID, FAN_EVENT_INFO_TYPE_FID],
        [FAN_EVENT_INFO_TYPE_DFID],
    ),
    (FAN_REPORT_DFID_NAME, ["INFO-NAME"], [FAN_EVENT_INFO_TYPE_DFID_NAME], [FAN_EVENT_INFO_TYPE_DFID_NAME]),
    (
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID,
        ["INFO-NAME"],
        [FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_FID],
        [FAN_EVENT_INFO_TYPE_DFID_NAME],
    ),
    (
        FAN_REPORT_DFID_NAME_TARGET,
        ["INFO-NAME", "INFO-TARGET"],
        [FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_FID],
        [FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_FID],
    ),
)

REPORTING = pytest.mark.parametrize(
    ("flags", "of_a_child", "of_an_entry"),
    [
        pytest.param(flags, child, entry, marks=pytest.mark.behaviour(*behaviours), id=str(flags))
        for flags, behaviours, child, entry in ROWS
    ],
)
WITH_PIDFD = pytest.mark.parametrize(
    ("more", "last"),
    [
        pytest.param(Init(0), [], marks=pytest.mark.behaviour("INFO-PIDFD-ABSENT"), id="no-pidfd"),
        pytest.param(
            FAN_REPORT_PIDFD,
            [FAN_EVENT_INFO_TYPE_PIDFD],
            marks=pytest.mark.behaviour("INFO-PIDFD-SINGLE"),
            id="pidfd",
        ),
    ],
)

pytestmark = [
    pytest.mark.behaviour("INFO-ORDER", "INFO-HDR-PAD"),
    requires(FAN_REPORT_PIDFD, FAN_REPORT_TARGET_FID),
]


@REPORTING
@WITH_PIDFD
def test_event_of_a_child(ext4_dir, flags, of_a_child, of_an_entry, more, last):
    file = ext4_dir / "file"
    file.touch()
    with watching(ext4_dir, FAN_OPEN | FAN_EVENT_ON_CHILD, flags | more) as group:
        file.read_bytes()
        assert group.read_one().types == [*of_a_child, *last]


@REPORTING
@WITH_PIDFD
def test_event_of_a_new_entry(ext4_dir, flags, of_a_child, of_an_entry, more, last):
    with watching(ext4_dir, FAN_CREATE, flags | more) as group:
        (ext4_dir / "entry").touch()
        assert group.read_one().types == [*of_an_entry, *last]


TYPES_OF_DIRECTORY_AND_ENTRY = {
    FAN_REPORT_FID: (FAN_EVENT_INFO_TYPE_FID, None),
    FAN_REPORT_FID | FAN_REPORT_DIR_FID: (FAN_EVENT_INFO_TYPE_DFID, None),
    FAN_REPORT_DFID_NAME_TARGET: (FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_FID),
}


@pytest.mark.behaviour("INFO-FID-ONLY", "INFO-FID-DIRFID", "INFO-TARGET")
@pytest.mark.parametrize("flags", TYPES_OF_DIRECTORY_AND_ENTRY)
def test_records_of_a_new_entry_are_of_its_directory_and_of_itself(ext4_dir, flags):
    directory, child = TYPES_OF_DIRECTORY_AND_ENTRY[flags]
    with watching(ext4_dir, FAN_CREATE, flags) as group:
        (ext4_dir / "entry").touch()
        event = group.read_one()
        assert handle_of(fid_of(event, directory)) == name_to_handle(ext4_dir)
        assert child is None or handle_of(fid_of(event, child)) == name_to_handle(ext4_dir / "entry")


@pytest.mark.behaviour("INFO-DIRFID-ONLY", "INFO-DIRFID-TYPE")
def test_record_of_a_childs_event_is_of_its_directory(ext4_dir):
    file = ext4_dir / "file"
    file.touch()
    with watching(ext4_dir, FAN_OPEN | FAN_EVENT_ON_CHILD, FAN_REPORT_DIR_FID) as group:
        file.read_bytes()
        assert handle_of(group.read_one().one(FidRecord)) == name_to_handle(ext4_dir)


@pytest.mark.behaviour("INFO-TARGET")
@pytest.mark.parametrize("mask", [FAN_CREATE, FAN_MOVED_FROM, FAN_MOVED_TO, FAN_DELETE])
def test_target_of_every_change_of_an_entry(ext4_dir, mask):
    with watching(ext4_dir, mask, FAN_REPORT_DFID_NAME_TARGET) as group:
        (ext4_dir / "one").touch()
        handle = name_to_handle(ext4_dir / "one")
        (ext4_dir / "one").rename(ext4_dir / "two")
        (ext4_dir / "two").unlink()
        event = group.read_one()
        assert event.types == [FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_FID]
        assert handle_of(fid_of(event, FAN_EVENT_INFO_TYPE_FID)) == handle


@pytest.mark.behaviour("INFO-DELETE-SELF")
def test_a_removed_file_has_no_directory(ext4_dir):
    file = ext4_dir / "file"
    file.touch()
    handle = name_to_handle(file)
    with watching(file, FAN_DELETE_SELF, FAN_REPORT_FID | FAN_REPORT_DIR_FID) as group:
        file.unlink()
        event = group.read_one()
        assert event.types == [FAN_EVENT_INFO_TYPE_FID]
        assert handle_of(fid_of(event, FAN_EVENT_INFO_TYPE_FID)) == handle


@pytest.mark.behaviour("INFO-PIDFD-ABSENT")
def test_no_record_in_a_plain_group(ext4_dir):
    with watching(ext4_dir, FAN_OPEN | FAN_ONDIR, Init(0)) as group:
        list(ext4_dir.iterdir())
        assert not [record for record in group.read_one().records if isinstance(record, PidfdRecord)]
