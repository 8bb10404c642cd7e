# SPDX-License-Identifier: GPL-2.0-or-later
"""Records with a name: how it is laid out, and which name it is."""

import pytest

from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.handles import name_to_handle
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CREATE,
    FAN_DELETE,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
    FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_MARK_FILESYSTEM,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_PIDFD,
)
from suites.fanotify_info.records import FIXED_PART, fid_of, handle_of, records_of, rounded_up

NAME_MAX = 255


@pytest.mark.behaviour("INFO-NAME")
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 9, NAME_MAX])
def test_name_and_padding(ext4_dir, length):
    name = "n" * length
    with watching(ext4_dir, FAN_CREATE, FAN_REPORT_DFID_NAME) as group:
        (ext4_dir / name).touch()
        event = group.read_one()
        before = FIXED_PART + len(event.one(FidRecord).handle)
        after = rounded_up(before + length + 1) - before
        assert records_of(event)[before:] == name.encode().ljust(after, b"\0")


@pytest.mark.behaviour("INFO-NAME-DOT")
def test_directory_itself(ext4_dir):
    with watching(ext4_dir, FAN_OPEN | FAN_ONDIR, FAN_REPORT_DFID_NAME) as group:
        list(ext4_dir.iterdir())
        record = group.read_one().one(FidRecord)
        assert record.name == b"."
        assert handle_of(record) == name_to_handle(ext4_dir)


@pytest.mark.behaviour("INFO-NAME-DIRSELF-RMDIR")
@pytest.mark.parametrize("mask", [FAN_CREATE, FAN_DELETE])
def test_subdirectory(ext4_dir, mask):
    with watching(ext4_dir, mask | FAN_ONDIR, FAN_REPORT_DFID_NAME) as group:
        (ext4_dir / "sub").mkdir()
        (ext4_dir / "sub").rmdir()
        event = group.read_one()
        assert event.mask == mask | FAN_ONDIR
        assert event.one(FidRecord).name == b"sub"
        assert handle_of(event.one(FidRecord)) == name_to_handle(ext4_dir)


@pytest.fixture
@requires(FAN_RENAME)
def two_dirs(ext4_dir):
    old, new = ext4_dir / "old", ext4_dir / "new"
    old.mkdir()
    new.mkdir()
    (old / "from").touch()
    return old, new


OLD_AND_NEW = [FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME]
TYPES_OF_A_RENAME = {
    FAN_REPORT_DFID_NAME: OLD_AND_NEW,
    FAN_REPORT_DFID_NAME_TARGET: [*OLD_AND_NEW, FAN_EVENT_INFO_TYPE_FID],
    FAN_REPORT_DFID_NAME_TARGET | FAN_REPORT_PIDFD: [
        *OLD_AND_NEW,
        FAN_EVENT_INFO_TYPE_FID,
        FAN_EVENT_INFO_TYPE_PIDFD,
    ],
}


@pytest.mark.behaviour("INFO-RENAME-BOTH", "INFO-TYPES-DOC", "INFO-ORDER")
@pytest.mark.parametrize("flags", TYPES_OF_A_RENAME)
def test_rename_within_a_directory(two_dirs, flags):
    old, _ = two_dirs
    with watching(old, FAN_RENAME, flags) as group:
        (old / "from").rename(old / "to")
        event = group.read_one()
        assert event.types == TYPES_OF_A_RENAME[flags]
        assert fid_of(event, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME).name == b"from"
        assert fid_of(event, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME).name == b"to"
        assert (
            handle_of(fid_of(event, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME))
            == handle_of(fid_of(event, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME))
            == name_to_handle(old)
        )


@pytest.mark.behaviour("INFO-RENAME-OLDONLY", "INFO-TYPES-DOC")
@pytest.mark.parametrize(
    ("watched", "kind", "name"),
    [(0, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, b"from"), (1, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, b"to")],
    ids=["old", "new"],
)
def test_rename_with_one_directory_watched(two_dirs, watched, kind, name):
    old, new = two_dirs
    with watching(two_dirs[watched], FAN_RENAME, FAN_REPORT_DFID_NAME) as group:
        (old / "from").rename(new / "to")
        event = group.read_one()
        assert event.types == [kind]
        assert fid_of(event, kind).name == name
        assert handle_of(fid_of(event, kind)) == name_to_handle(two_dirs[watched])


@pytest.mark.behaviour("INFO-RENAME-SB")
def test_rename_with_the_filesystem_watched(two_dirs):
    old, new = two_dirs
    with watching(old, FAN_RENAME, FAN_REPORT_DFID_NAME, mark=FAN_MARK_FILESYSTEM) as group:
        (old / "from").rename(new / "to")
        event = group.read_one()
        assert event.types == [FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME]
        assert handle_of(fid_of(event, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME)) == name_to_handle(old)
        assert handle_of(fid_of(event, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME)) == name_to_handle(new)
