# SPDX-License-Identifier: GPL-2.0-or-later
"""Which objects can be marked for what: the examples of the rules about files, directories and namespaces."""

from errno import EINVAL, ENOTDIR

import pytest

from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, require
from helpers.uapi import Init, Mark, Mask
from suites.fanotify_mark.test_words import require_words

FID, DFID_NAME, TARGET = Init.REPORT_FID, Init.REPORT_DFID_NAME, Init.REPORT_DFID_NAME_TARGET
NOTIF = Init.CLASS_NOTIF

# The group's flags, those of the call, the mask, the name, the answer.
ROWS = {
    "MARK-RENAME-NOTDIR": [
        (DFID_NAME, Mark.INODE, Mask.RENAME, "file", ENOTDIR),
        (DFID_NAME, Mark.FILESYSTEM, Mask.RENAME, "file", OK),
    ],
    "MARK-STRICT-DIR": [
        (FID, Mark.INODE, Mask.CREATE, "file", OK),
        (FID, Mark.INODE, Mask.OPEN | Mask.ONDIR, "file", OK),
        (TARGET, Mark.INODE, Mask.CREATE, "file", ENOTDIR),
        (TARGET, Mark.INODE, Mask.OPEN | Mask.ONDIR, "file", ENOTDIR),
        (TARGET, Mark.INODE, Mask.OPEN | Mask.EVENT_ON_CHILD, "file", ENOTDIR),
        (TARGET, Mark.INODE, Mask.OPEN, "file", OK),
        (TARGET, Mark.FILESYSTEM, Mask.CREATE, "file", OK),
        (NOTIF, Mark.IGNORE_SURV, Mask.OPEN | Mask.ONDIR, "file", ENOTDIR),
        (NOTIF, Mark.IGNORE_SURV, Mask.OPEN | Mask.ONDIR, "directory", OK),
    ],
}


@pytest.mark.parametrize(("group_flags", "flags", "mask", "name", "answer"), by_behaviour(ROWS))
def test_object(group_flags, flags, mask, name, answer, ext4_dir):
    require_words(group_flags, flags, mask)
    (ext4_dir / "file").touch()
    (ext4_dir / "directory").mkdir()
    with FanotifyGroup(group_flags) as group:
        expect(answer, group.mark, Mark.ADD | flags, mask, ext4_dir / name)


@pytest.mark.behaviour("MARK-MNTNS-PATH")
@pytest.mark.parametrize(
    ("path", "answer"),
    [("/proc/self/ns/mnt", OK), ("/proc/self/ns/net", EINVAL), ("/proc/self/status", EINVAL), ("/", EINVAL)],
)
def test_mount_namespace(path, answer):
    require(Feature.REPORT_MNT)
    with FanotifyGroup(Init.REPORT_MNT) as group:
        expect(answer, group.mark, Mark.ADD | Mark.MNTNS, Mask.MNT_ATTACH, path)
