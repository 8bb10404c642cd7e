# SPDX-License-Identifier: GPL-2.0-or-later
"""The ERROR record of FAN_FS_ERROR, from filesystems that were damaged or shut down on purpose."""

import os
import struct
import sys
from errno import ESHUTDOWN

import pytest

from helpers.errors import outcome
from helpers.events import ErrorRecord, FidRecord
from helpers.fanotify import watching
from helpers.filesystems import abort_ext4, disk_image, mounted_image
from helpers.handles import FILEID_INVALID, fsid
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_ERROR,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_FS_ERROR,
    FAN_MARK_FILESYSTEM,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
)
from suites.fanotify_info.damage import damage_inode
from suites.fanotify_info.records import records_of

ERROR = struct.Struct("=BBHiI")


@pytest.fixture
@requires(FAN_FS_ERROR, fs="ext4")
def image(public_dir):
    """An ext4 of the test's own, which is not mounted."""
    return disk_image(public_dir, "ext4")


def watching_errors(mount_point, more=0):
    return watching(mount_point, FAN_FS_ERROR, FAN_REPORT_FID | more, mark=FAN_MARK_FILESYSTEM)


@pytest.mark.behaviour("INFO-ERROR", "INFO-HDR-PAD")
def test_error_without_an_inode(image):
    with mounted_image(image, "ext4") as mount_point, watching_errors(mount_point) as group:
        abort_ext4(mount_point)
        event = group.read_one()
        assert event.types == [FAN_EVENT_INFO_TYPE_FID, FAN_EVENT_INFO_TYPE_ERROR]
        assert event.one(FidRecord) == FidRecord(
            FAN_EVENT_INFO_TYPE_FID, fsid(mount_point), FILEID_INVALID, b""
        )
        assert records_of(event)[-ERROR.size :] == ERROR.pack(
            FAN_EVENT_INFO_TYPE_ERROR, 0, ERROR.size, ESHUTDOWN, 1
        )


@pytest.mark.behaviour("INFO-ERROR", "INFO-ORDER", "INFO-PIDFD-SINGLE")
@requires(FAN_REPORT_PIDFD)
def test_error_behind_a_pidfd(image):
    with (
        mounted_image(image, "ext4") as mount_point,
        watching_errors(mount_point, FAN_REPORT_PIDFD) as group,
    ):
        abort_ext4(mount_point)
        assert group.read_one().types == [
            FAN_EVENT_INFO_TYPE_FID,
            FAN_EVENT_INFO_TYPE_PIDFD,
            FAN_EVENT_INFO_TYPE_ERROR,
        ]


@pytest.fixture
def damaged(image):
    """Names of files whose inodes cannot be read, and the numbers of these."""
    names = ["one", "two", "three"]
    with mounted_image(image, "ext4") as mount_point:
        for name in names:
            (mount_point / name).touch()
        inodes = [(mount_point / name).stat().st_ino for name in names]
    for inode in inodes:
        damage_inode(image, inode)
    return names, inodes


@pytest.mark.behaviour("INFO-ERROR", "INFO-ERROR-COUNT")
def test_errors_of_inodes_are_counted(image, damaged):
    names, inodes = damaged
    with mounted_image(image, "ext4") as mount_point, watching_errors(mount_point) as group:
        answers = [outcome((mount_point / name).stat) for name in names]
        first, *others = read_errors(group, len(names))
        records = [event.one(ErrorRecord) for event in (first, *others)]
        assert {record.error for record in records} == set(answers)
        assert sum(record.count for record in records) == len(names)
        # A handle of ext4 begins with the number of the inode, in the byte order of the machine.
        inode = int.from_bytes(first.one(FidRecord).handle[:4], sys.byteorder)
        # Workers of the kernel take the errors in any order, and then not all may be one event.
        by_workers = first.pid != os.getpid()
        assert inode in (inodes if by_workers else inodes[:1])
        assert by_workers or not others


def read_errors(group, count):
    """Read until so many errors have been counted: where workers of the kernel report them, that takes a while."""
    events = []
    while sum(event.one(ErrorRecord).count for event in events) < count:
        events += group.wait().read()
    return events
