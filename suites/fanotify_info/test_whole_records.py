# SPDX-License-Identifier: GPL-2.0-or-later
"""Every byte of every record, for each operation, mark and group, on each filesystem.

Which records there must be stands in kinds.py, of what in operations.py. What is in them is compared with statfs(2) and
name_to_handle_at(2), called beside the event.
"""

import os

import pytest

from helpers import skips
from helpers.errors import OK, errno_name, hold_to_rules
from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.filesystems import mount_point
from helpers.handles import open_by_handle
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_ON_CHILD,
    FAN_OPEN,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
)
from suites.fanotify_info import whole
from suites.fanotify_info.operations import OPERATIONS
from suites.fanotify_info.records import handle_of
from suites.fanotify_info.whole import Filesystem
from suites.fanotify_mark.targets import handles

VERIFIED = [
    "INFO-FID-FSID",
    "INFO-FID-HANDLE",
    "INFO-FID-LAYOUT",
    "INFO-HDR-PAD",
    "INFO-ORDER",
    "INFO-PIDFD-SINGLE",
]

ALONE = "ext4"
"""Where each group watches alone: there is a filesystem on which every kernel reports file handles."""


@pytest.fixture(scope="module")
@requires(FAN_REPORT_PIDFD, FAN_REPORT_TARGET_FID, FAN_RENAME)
def groups():
    """A group for each way to report. One for each case would take longer to close than all else."""
    with whole.groups() as groups:
        yield groups


@pytest.fixture
def known(groups, filesystem_dir, filesystem):
    """The filesystem, as far as file handles are reported of it; skips the test if they are of no object at all."""
    of_inode, of_all = handles(filesystem_dir, mount_point(filesystem_dir))
    if of_inode != OK:
        skips.filesystem(f"file handles are not reported of this filesystem: {errno_name(of_inode)}")
    return Filesystem(filesystem_dir, groups, whole=of_all == OK, alone=filesystem == ALONE)


@pytest.mark.behaviour(*VERIFIED)
@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, id=operation.name, marks=pytest.mark.behaviour(*operation.behaviours))
        for operation in OPERATIONS
    ],
)
def test_records(known, operation):
    hold_to_rules(list(known.deviations(operation)))


@pytest.mark.behaviour("INFO-OF-A-FILE")
def test_handle_and_name_lead_to_the_file(disk_dir):
    file = disk_dir / "file"
    file.touch()
    with watching(disk_dir, FAN_OPEN | FAN_EVENT_ON_CHILD, FAN_REPORT_DFID_NAME) as group:
        file.read_bytes()
        record = group.read_one().one(FidRecord)
    directory = open_by_handle(disk_dir, handle_of(record))
    assert os.path.samestat(os.stat(record.name, dir_fd=directory), file.stat())
    os.close(directory)
