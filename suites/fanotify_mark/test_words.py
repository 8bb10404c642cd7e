# SPDX-License-Identifier: GPL-2.0-or-later
"""Flags and masks of fanotify_mark(2): the examples of each documented rule, for a caller who may do everything."""

import os
from errno import EBADF, EINVAL

import pytest

from helpers import skips
from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import FanotifyGroup, fanotify_mark
from helpers.features import Feature, has, require
from helpers.uapi import Init, Mark, Mask
from suites.fanotify_mark.rules import FEATURE_OF_EVENTS, FEATURE_OF_FLAG

NOTIF, CONTENT, PRE_CONTENT = Init.CLASS_NOTIF, Init.CLASS_CONTENT, Init.CLASS_PRE_CONTENT
FID, DIR_FID, DFID_NAME, MNT = Init.REPORT_FID, Init.REPORT_DIR_FID, Init.REPORT_DFID_NAME, Init.REPORT_MNT
ADD, REMOVE, FLUSH = Mark.ADD, Mark.REMOVE, Mark.FLUSH
MOUNT, FILESYSTEM, MNTNS = Mark.MOUNT, Mark.FILESYSTEM, Mark.MNTNS
NO_GROUP = -1
UNKNOWN_EVENT, RETIRED_EVENT = Mask(0x2000), Mask(0x80000)
UNKNOWN_FLAG = Mark(0x800)

PERMISSION_EVENTS = [Mask.OPEN_PERM, Mask.ACCESS_PERM, Mask.OPEN_EXEC_PERM]
HANDLE_EVENTS = [
    Mask.ATTRIB,
    Mask.CREATE,
    Mask.DELETE,
    Mask.DELETE_SELF,
    Mask.MOVED_FROM,
    Mask.MOVED_TO,
    Mask.MOVE_SELF,
    Mask.RENAME,
]
MOUNT_EVENTS = [Mask.MNT_ATTACH, Mask.MNT_DETACH]

# The group's flags, those of the call, the mask, the answer.
ROWS = {
    "MARK-HI32": [
        (NOTIF, ADD, Mask(1 << 32), EINVAL),
        (NOTIF, ADD, Mask.OPEN | 1 << 63, EINVAL),
        (NOTIF, FLUSH, Mask(1 << 32), EINVAL),
    ],
    "MARK-FLAG-UNKNOWN": [
        (NOTIF, ADD | UNKNOWN_FLAG, Mask.OPEN, EINVAL),
        (NOTIF, ADD | 1 << 31, Mask.OPEN, EINVAL),
        (NOTIF, FLUSH | UNKNOWN_FLAG, Mask(0), EINVAL),
    ],
    "MARK-CMD-EXACTLY-ONE": [
        (NOTIF, Mark(0), Mask.OPEN, EINVAL),
        (NOTIF, ADD | REMOVE, Mask.OPEN, EINVAL),
        (NOTIF, ADD | FLUSH, Mask.OPEN, EINVAL),
        (NOTIF, REMOVE | FLUSH, Mask.OPEN, EINVAL),
        (NOTIF, ADD | REMOVE | FLUSH, Mask.OPEN, EINVAL),
    ],
    "MARK-MASK0": [(NOTIF, ADD, Mask(0), EINVAL), (NOTIF, REMOVE, Mask(0), EINVAL)],
    "MARK-MASK-UNKNOWN": [
        (NOTIF, ADD, UNKNOWN_EVENT, EINVAL),
        (NOTIF, ADD, RETIRED_EVENT, EINVAL),
        (NOTIF, ADD, Mask.Q_OVERFLOW, EINVAL),
        (NOTIF, REMOVE, Mask.Q_OVERFLOW, EINVAL),
        (NOTIF, ADD, Mask.OPEN | UNKNOWN_EVENT, EINVAL),
    ],
    "MARK-MASK-ONLY-FLAGS": [(NOTIF, ADD, Mask.ONDIR, OK), (NOTIF, ADD, Mask.EVENT_ON_CHILD, OK)],
    "MARK-FLUSH-MASK-IGNORED": [
        (NOTIF, FLUSH, Mask(0), OK),
        (NOTIF, FLUSH, Mask.OPEN, OK),
        (NOTIF, FLUSH, UNKNOWN_EVENT, EINVAL),
        (NOTIF, FLUSH, Mask.OPEN_PERM, EINVAL),
        (NOTIF, FLUSH, Mask.CREATE, EINVAL),
        (FID, FLUSH, Mask.FS_ERROR, EINVAL),
        (FID, FLUSH | FILESYSTEM, Mask.FS_ERROR, OK),
    ],
    "MARK-FLUSH-EXTRA": [
        (NOTIF, FLUSH | extra, Mask(0), EINVAL)
        for extra in (
            Mark.DONT_FOLLOW,
            Mark.ONLYDIR,
            Mark.IGNORED_MASK,
            Mark.IGNORED_SURV_MODIFY,
            Mark.EVICTABLE,
            Mark.IGNORE,
        )
    ],
    "MARK-FLUSH-MNTNS-BEFORE": [
        (NOTIF, FLUSH | MNTNS, Mask(0), EINVAL),
        (FID, FLUSH | MNTNS, Mask(0), EINVAL),
        (NOTIF, ADD | MNTNS, Mask.OPEN, EINVAL),
    ],
    "MARK-FID-EVENTS-NEED-FID": [(NOTIF, ADD, event, EINVAL) for event in HANDLE_EVENTS]
    + [(DFID_NAME, ADD, event, OK) for event in HANDLE_EVENTS],
    "MARK-FID-EVENTS-MOUNT": [(DFID_NAME, ADD | MOUNT, event, EINVAL) for event in HANDLE_EVENTS],
    "MARK-RENAME-NEEDS-NAME": [
        (FID, ADD, Mask.RENAME, EINVAL),
        (DIR_FID, ADD, Mask.RENAME, EINVAL),
        (DFID_NAME, ADD, Mask.RENAME, OK),
    ],
    "MARK-PERM-NOTIF": [
        (group, ADD, event, answer)
        for event in PERMISSION_EVENTS
        for group, answer in ((NOTIF, EINVAL), (FID, EINVAL), (CONTENT, OK), (PRE_CONTENT, OK))
    ],
    "MARK-PRE-CLASS": [
        (NOTIF, ADD, Mask.PRE_ACCESS, EINVAL),
        (CONTENT, ADD, Mask.PRE_ACCESS, EINVAL),
        (PRE_CONTENT, ADD, Mask.PRE_ACCESS, OK),
    ],
    "MARK-PRE-ONDIR": [(PRE_CONTENT, ADD, Mask.PRE_ACCESS | Mask.ONDIR, EINVAL)],
    "MARK-PRE-DIR-CHILD": [(PRE_CONTENT, ADD, Mask.PRE_ACCESS | Mask.EVENT_ON_CHILD, OK)],
    "MARK-FSERROR-TYPE": [
        (FID, ADD, Mask.FS_ERROR, EINVAL),
        (FID, ADD | MOUNT, Mask.FS_ERROR, EINVAL),
        (FID, ADD | FILESYSTEM, Mask.FS_ERROR, OK),
        (NOTIF, ADD | FILESYSTEM, Mask.FS_ERROR, EINVAL),
    ],
    "MARK-EVICT-TYPE": [
        (NOTIF, ADD | Mark.EVICTABLE, Mask.OPEN, OK),
        (NOTIF, ADD | Mark.EVICTABLE | MOUNT, Mask.OPEN, EINVAL),
        (NOTIF, ADD | Mark.EVICTABLE | FILESYSTEM, Mask.OPEN, EINVAL),
        (NOTIF, REMOVE | Mark.EVICTABLE | MOUNT, Mask.OPEN, EINVAL),
    ],
    "MARK-IGN-BOTH": [
        (NOTIF, ADD | Mark.IGNORE | Mark.IGNORED_MASK, Mask.OPEN, EINVAL),
        (NOTIF, ADD | Mark.IGNORE_SURV | Mark.IGNORED_MASK, Mask.OPEN, EINVAL),
    ],
    "MARK-MNT-GROUP-MASK": [
        (MNT, ADD, Mask.OPEN, EINVAL),
        (MNT, ADD | MNTNS, Mask.OPEN, EINVAL),
        (MNT, ADD | MNTNS, Mask.MNT_ATTACH | Mask.ONDIR, EINVAL),
        *((MNT, ADD | kind, Mask.MNT_ATTACH, EINVAL) for kind in (Mark.INODE, MOUNT, FILESYSTEM)),
        *((MNT, FLUSH | kind, Mask(0), EINVAL) for kind in (Mark.INODE, MOUNT, FILESYSTEM)),
        (MNT, FLUSH | MNTNS, Mask(0), OK),
    ],
    "MARK-MNT-PLAIN-GROUP": [
        (group, ADD | kind, event, EINVAL)
        for group in (NOTIF, FID)
        for kind, event in (
            (Mark.INODE, Mask.MNT_ATTACH),
            (MOUNT, Mask.MNT_DETACH),
            (FILESYSTEM, Mask.MNT_ATTACH),
            (MNTNS, Mask.MNT_ATTACH),
            (MNTNS, Mask.OPEN),
        )
    ],
}


def require_words(group: int, flags: int, mask: int) -> None:
    """Skip the test on a kernel which does not know the group's flags, those of the call, or the mask."""
    if group & MNT:
        require(Feature.REPORT_MNT)
    if group & Init.REPORT_TARGET_FID:
        require(Feature.REPORT_TARGET_FID)
    require(*(feature for flag, feature in FEATURE_OF_FLAG.items() if flags & flag))
    require(*(feature for events, feature in FEATURE_OF_EVENTS.items() if mask & events))


@pytest.mark.parametrize(("group_flags", "flags", "mask", "answer"), by_behaviour(ROWS))
def test_words(group_flags, flags, mask, answer, ext4_dir):
    require_words(group_flags, flags, mask)
    with FanotifyGroup(group_flags) as group:
        expect(answer, group.mark, flags, mask, ext4_dir)


@pytest.mark.behaviour("MARK-FLAG-BEFORE-FD")
@pytest.mark.parametrize(
    ("flags", "mask", "answer"),
    [
        pytest.param(ADD, Mask.OPEN, EBADF, id="nothing-wrong-EBADF"),
        pytest.param(ADD | UNKNOWN_FLAG, Mask.OPEN, EINVAL, id="flag-EINVAL"),
        pytest.param(Mark(0), Mask.OPEN, EINVAL, id="command-EINVAL"),
        pytest.param(ADD, UNKNOWN_EVENT, EINVAL, id="event-EINVAL"),
        pytest.param(ADD, Mask(0), EINVAL, id="no-event-EINVAL"),
        pytest.param(FLUSH | Mark.ONLYDIR, Mask(0), EINVAL, id="flush-EINVAL"),
    ],
)
def test_words_before_group(flags, mask, answer, ext4_dir):
    expect(answer, fanotify_mark, NO_GROUP, flags, mask, ext4_dir)


@pytest.mark.behaviour("MARK-NOT-FANOTIFY")
@pytest.mark.parametrize(
    ("open_flags", "answer"),
    [
        pytest.param(os.O_RDONLY, EINVAL, id="file-EINVAL"),
        pytest.param(os.O_PATH, EBADF, id="O_PATH-EBADF"),
    ],
)
def test_descriptor_of_something_else(open_flags, answer, ext4_dir):
    other = os.open(ext4_dir, open_flags)
    try:
        expect(answer, fanotify_mark, other, ADD, Mask.OPEN, ext4_dir)
    finally:
        os.close(other)


@pytest.mark.behaviour("MARK-NOT-FANOTIFY")
def test_descriptor_that_was_closed(ext4_dir):
    with FanotifyGroup() as group:
        number = group.fd
    expect(EBADF, fanotify_mark, number, ADD, Mask.OPEN, ext4_dir)


@pytest.mark.behaviour("MARK-PERM-NOCONFIG")
@pytest.mark.parametrize("event", PERMISSION_EVENTS, ids=str)
def test_permission_events_without_configuration(event, ext4_dir):
    if has(Feature.PERMISSION_EVENTS):
        skips.kconfig("this kernel has CONFIG_FANOTIFY_ACCESS_PERMISSIONS")
    with FanotifyGroup(CONTENT) as group:
        expect(EINVAL, group.mark, ADD, event, ext4_dir)
        expect(EINVAL, group.mark, ADD, Mask.OPEN | event, ext4_dir)
