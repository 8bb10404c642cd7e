# SPDX-License-Identifier: GPL-2.0-or-later
"""Which objects can be marked for what: the examples of the rules about files, directories and namespaces."""

from errno import EINVAL, ENOTDIR

import pytest

from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import FanotifyGroup
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLASS_NOTIF,
    FAN_CREATE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MNT_ATTACH,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
)

# The group's flags, those of the call, the mask, the name, the answer.
ROWS = {
    "MARK-RENAME-NOTDIR": [
        (FAN_REPORT_DFID_NAME, FAN_MARK_INODE, FAN_RENAME, "file", ENOTDIR),
        (FAN_REPORT_DFID_NAME, FAN_MARK_FILESYSTEM, FAN_RENAME, "file", OK),
    ],
    "MARK-STRICT-DIR": [
        (FAN_REPORT_FID, FAN_MARK_INODE, FAN_CREATE, "file", OK),
        (FAN_REPORT_FID, FAN_MARK_INODE, FAN_OPEN | FAN_ONDIR, "file", OK),
        (FAN_REPORT_DFID_NAME_TARGET, FAN_MARK_INODE, FAN_CREATE, "file", ENOTDIR),
        (FAN_REPORT_DFID_NAME_TARGET, FAN_MARK_INODE, FAN_OPEN | FAN_ONDIR, "file", ENOTDIR),
        (FAN_REPORT_DFID_NAME_TARGET, FAN_MARK_INODE, FAN_OPEN | FAN_EVENT_ON_CHILD, "file", ENOTDIR),
        (FAN_REPORT_DFID_NAME_TARGET, FAN_MARK_INODE, FAN_OPEN, "file", OK),
        (FAN_REPORT_DFID_NAME_TARGET, FAN_MARK_FILESYSTEM, FAN_CREATE, "file", OK),
        (FAN_CLASS_NOTIF, FAN_MARK_IGNORE_SURV, FAN_OPEN | FAN_ONDIR, "file", ENOTDIR),
        (FAN_CLASS_NOTIF, FAN_MARK_IGNORE_SURV, FAN_OPEN | FAN_ONDIR, "directory", OK),
    ],
}


@pytest.mark.parametrize(("group_flags", "flags", "mask", "name", "answer"), by_behaviour(ROWS))
@requires(lambda group_flags, flags, mask: (group_flags, flags, mask))
def test_object(group_flags, flags, mask, name, answer, ext4_dir):
    (ext4_dir / "file").touch()
    (ext4_dir / "directory").mkdir()
    with FanotifyGroup(group_flags) as group:
        expect(answer, group.mark, FAN_MARK_ADD | flags, mask, ext4_dir / name)


@pytest.mark.behaviour("MARK-MNTNS-PATH")
@requires(FAN_REPORT_MNT)
@pytest.mark.parametrize(
    ("path", "answer"),
    [("/proc/self/ns/mnt", OK), ("/proc/self/ns/net", EINVAL), ("/proc/self/status", EINVAL), ("/", EINVAL)],
)
def test_mount_namespace(path, answer):
    with FanotifyGroup(FAN_REPORT_MNT) as group:
        expect(answer, group.mark, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, path)
