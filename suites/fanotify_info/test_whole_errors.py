# SPDX-License-Identifier: GPL-2.0-or-later
"""Every byte of FAN_FS_ERROR for each group, from an inode of ext4 that was damaged on purpose."""

import contextlib
import itertools

import pytest

from helpers.errors import outcome
from helpers.events import ErrorRecord, Event, FidRecord, PidfdRecord
from helpers.fanotify import FanotifyGroup
from helpers.filesystems import disk_image, mounted_image
from helpers.handles import fsid, name_to_handle
from helpers.layout import packed
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_FID,
    FAN_FS_ERROR,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_NOFD,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
)
from suites.fanotify_info.damage import damage_inode
from suites.fanotify_info.kinds import WITHOUT_DIRECTORY
from suites.fanotify_info.whole import PIDFDS


@pytest.fixture
@requires(FAN_FS_ERROR, FAN_REPORT_PIDFD, FAN_REPORT_TARGET_FID)
def broken(public_dir):
    """An ext4 with a file whose inode cannot be read, and the file handle that it had."""
    image = disk_image(public_dir, "ext4")
    with mounted_image(image, "ext4") as mounted:
        (mounted / "file").touch()
        handle, inode = name_to_handle(mounted / "file"), (mounted / "file").stat().st_ino
    damage_inode(image, inode)
    return image, handle


@pytest.fixture
def groups():
    """A group for each way to report the error of an object without its directory."""
    with contextlib.ExitStack() as undo:
        flags = itertools.product(WITHOUT_DIRECTORY.records, PIDFDS)
        yield [undo.enter_context(FanotifyGroup(fids | more)) for fids, more in flags]


@pytest.mark.behaviour("INFO-ERROR", "INFO-ORDER", "INFO-PIDFD-SINGLE")
def test_error_of_an_inode(broken, groups):
    image, handle = broken
    with mounted_image(image, "ext4") as mounted:
        for group in groups:
            group.mark(FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, mounted)
        error = ErrorRecord(outcome((mounted / "file").stat), 1)
        for group in groups:
            event = group.read_one()
            # ext4 finds the damage before it has read the generation, which is the second half.
            data = handle.data[:4] + event.one(FidRecord).handle[4:]
            fid = FidRecord(FAN_EVENT_INFO_TYPE_FID, fsid(mounted), handle.type, data)
            pidfd = [PidfdRecord(event.pidfd)] if group.flags & FAN_REPORT_PIDFD else []
            assert event.records == (fid, *pidfd, error)
            assert event.raw == packed(Event(FAN_FS_ERROR, FAN_NOFD, event.pid, event.records))
