# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_FS_ERROR, as far as it is an event like others: of which filesystems, in which queue, how often."""

from errno import ESHUTDOWN

import pytest

from helpers.events import ErrorRecord, FidRecord
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.filesystems import DISK_FILESYSTEMS, abort_ext4, disk, shut_down
from helpers.handles import FILEID_INVALID, fsid
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_FID,
    FAN_FS_ERROR,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_NONBLOCK,
    FAN_REPORT_FID,
)

pytestmark = requires(FAN_FS_ERROR)


def watching_errors(mount_point):
    flags = FAN_REPORT_FID | FAN_NONBLOCK
    return watching(mount_point, FAN_FS_ERROR, flags, mark=FAN_MARK_FILESYSTEM)


@pytest.fixture
@requires(fs="ext4")
def two_disks(public_dir):
    for name in ("one", "other"):
        (public_dir / name).mkdir()
    with disk(public_dir / "one", "ext4") as one, disk(public_dir / "other", "ext4") as other:
        yield one, other


@pytest.mark.behaviour("META-FS-ERROR-OWN")
def test_error_of_another_filesystem(two_disks):
    one, other = two_disks
    with watching_errors(one) as group, watching_errors(other) as of_other:
        abort_ext4(one)
        assert group.read_one().mask == FAN_FS_ERROR
        of_other.assert_empty()


@pytest.mark.behaviour("META-FS-ERROR-APART")
def test_errors_of_two_filesystems(two_disks):
    one, other = two_disks
    expected = [(fsid(path), 1) for path in two_disks]
    with watching_errors(one) as group:
        group.mark(FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, other)
        abort_ext4(one)
        abort_ext4(other)
        found = []
        while len(found) < len(expected):
            found += [
                (event.one(FidRecord).fsid, event.one(ErrorRecord).count) for event in group.wait().read()
            ]
        assert found == expected


@pytest.mark.behaviour("META-FS-ERROR-SHUTDOWN")
@pytest.mark.parametrize("kind", DISK_FILESYSTEMS)
@requires(Feature.SHUTDOWN_ERROR, fs=lambda kind: kind)
def test_shutdown(public_dir, kind):
    with disk(public_dir, kind) as mount_point, watching_errors(mount_point) as group:
        expected = FidRecord(FAN_EVENT_INFO_TYPE_FID, fsid(mount_point), FILEID_INVALID, b"")
        shut_down(mount_point)
        event = group.read_one()
        assert (event.one(FidRecord), event.one(ErrorRecord)) == (expected, ErrorRecord(ESHUTDOWN, 1))
