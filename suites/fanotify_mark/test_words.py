# SPDX-License-Identifier: GPL-2.0-or-later
"""Flags and masks of fanotify_mark(2): the examples of each documented rule, for a caller who may do everything."""

import os
from errno import EBADF, EINVAL

import pytest

from helpers import skips
from helpers.descriptors import opened
from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import FanotifyGroup, fanotify_mark
from helpers.features import Feature, has
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS_PERM,
    FAN_ATTRIB,
    FAN_CLASS_CONTENT,
    FAN_CLASS_NOTIF,
    FAN_CLASS_PRE_CONTENT,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_EVENT_ON_CHILD,
    FAN_FS_ERROR,
    FAN_MARK_ADD,
    FAN_MARK_DONT_FOLLOW,
    FAN_MARK_EVICTABLE,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_FLUSH,
    FAN_MARK_IGNORE,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MARK_ONLYDIR,
    FAN_MARK_REMOVE,
    FAN_MNT_ATTACH,
    FAN_MNT_DETACH,
    FAN_MOVE_SELF,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_EXEC_PERM,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_Q_OVERFLOW,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    Mark,
    Mask,
)

NO_GROUP = -1
UNKNOWN_EVENT, RETIRED_EVENT = Mask(0x2000), Mask(0x80000)
UNKNOWN_FLAG = Mark(0x800)

PERMISSION_EVENTS = [FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM]
HANDLE_EVENTS = [
    FAN_ATTRIB,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_MOVE_SELF,
    FAN_RENAME,
]
MOUNT_EVENTS = [FAN_MNT_ATTACH, FAN_MNT_DETACH]

# The group's flags, those of the call, the mask, the answer.
ROWS = {
    "MARK-HI32": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, Mask(1 << 32), EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_OPEN | 1 << 63, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH, Mask(1 << 32), EINVAL),
    ],
    "MARK-FLAG-UNKNOWN": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | UNKNOWN_FLAG, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | 1 << 31, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH | UNKNOWN_FLAG, Mask(0), EINVAL),
    ],
    "MARK-CMD-EXACTLY-ONE": [
        (FAN_CLASS_NOTIF, Mark(0), FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_FLUSH, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_REMOVE | FAN_MARK_FLUSH, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_REMOVE | FAN_MARK_FLUSH, FAN_OPEN, EINVAL),
    ],
    "MARK-MASK0": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, Mask(0), EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_REMOVE, Mask(0), EINVAL),
    ],
    "MARK-MASK-UNKNOWN": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, UNKNOWN_EVENT, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, RETIRED_EVENT, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_Q_OVERFLOW, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_REMOVE, FAN_Q_OVERFLOW, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_OPEN | UNKNOWN_EVENT, EINVAL),
    ],
    "MARK-MASK-ONLY-FLAGS": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_ONDIR, OK),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_EVENT_ON_CHILD, OK),
    ],
    "MARK-FLUSH-MASK-IGNORED": [
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH, Mask(0), OK),
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH, FAN_OPEN, OK),
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH, UNKNOWN_EVENT, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH, FAN_OPEN_PERM, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH, FAN_CREATE, EINVAL),
        (FAN_REPORT_FID, FAN_MARK_FLUSH, FAN_FS_ERROR, EINVAL),
        (FAN_REPORT_FID, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, OK),
    ],
    "MARK-FLUSH-EXTRA": [
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH | extra, Mask(0), EINVAL)
        for extra in (
            FAN_MARK_DONT_FOLLOW,
            FAN_MARK_ONLYDIR,
            FAN_MARK_IGNORED_MASK,
            FAN_MARK_IGNORED_SURV_MODIFY,
            FAN_MARK_EVICTABLE,
            FAN_MARK_IGNORE,
        )
    ],
    "MARK-FLUSH-MNTNS-BEFORE": [
        (FAN_CLASS_NOTIF, FAN_MARK_FLUSH | FAN_MARK_MNTNS, Mask(0), EINVAL),
        (FAN_REPORT_FID, FAN_MARK_FLUSH | FAN_MARK_MNTNS, Mask(0), EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_OPEN, EINVAL),
    ],
    "MARK-FID-EVENTS-NEED-FID": [(FAN_CLASS_NOTIF, FAN_MARK_ADD, event, EINVAL) for event in HANDLE_EVENTS]
    + [(FAN_REPORT_DFID_NAME, FAN_MARK_ADD, event, OK) for event in HANDLE_EVENTS],
    "MARK-FID-EVENTS-MOUNT": [
        (FAN_REPORT_DFID_NAME, FAN_MARK_ADD | FAN_MARK_MOUNT, event, EINVAL) for event in HANDLE_EVENTS
    ],
    "MARK-RENAME-NEEDS-NAME": [
        (FAN_REPORT_FID, FAN_MARK_ADD, FAN_RENAME, EINVAL),
        (FAN_REPORT_DIR_FID, FAN_MARK_ADD, FAN_RENAME, EINVAL),
        (FAN_REPORT_DFID_NAME, FAN_MARK_ADD, FAN_RENAME, OK),
    ],
    "MARK-PERM-NOTIF": [
        (group, FAN_MARK_ADD, event, answer)
        for event in PERMISSION_EVENTS
        for group, answer in (
            (FAN_CLASS_NOTIF, EINVAL),
            (FAN_REPORT_FID, EINVAL),
            (FAN_CLASS_CONTENT, OK),
            (FAN_CLASS_PRE_CONTENT, OK),
        )
    ],
    "MARK-PRE-CLASS": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_PRE_ACCESS, EINVAL),
        (FAN_CLASS_CONTENT, FAN_MARK_ADD, FAN_PRE_ACCESS, EINVAL),
        (FAN_CLASS_PRE_CONTENT, FAN_MARK_ADD, FAN_PRE_ACCESS, OK),
    ],
    "MARK-PRE-ONDIR": [(FAN_CLASS_PRE_CONTENT, FAN_MARK_ADD, FAN_PRE_ACCESS | FAN_ONDIR, EINVAL)],
    "MARK-PRE-DIR-CHILD": [(FAN_CLASS_PRE_CONTENT, FAN_MARK_ADD, FAN_PRE_ACCESS | FAN_EVENT_ON_CHILD, OK)],
    "MARK-FSERROR-TYPE": [
        (FAN_REPORT_FID, FAN_MARK_ADD, FAN_FS_ERROR, EINVAL),
        (FAN_REPORT_FID, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_FS_ERROR, EINVAL),
        (FAN_REPORT_FID, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, OK),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, EINVAL),
    ],
    "MARK-EVICT-TYPE": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, OK),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_EVICTABLE | FAN_MARK_MOUNT, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_EVICTABLE | FAN_MARK_FILESYSTEM, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_REMOVE | FAN_MARK_EVICTABLE | FAN_MARK_MOUNT, FAN_OPEN, EINVAL),
    ],
    "MARK-IGN-BOTH": [
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_IGNORED_MASK, FAN_OPEN, EINVAL),
        (FAN_CLASS_NOTIF, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV | FAN_MARK_IGNORED_MASK, FAN_OPEN, EINVAL),
    ],
    "MARK-MNT-GROUP-MASK": [
        (FAN_REPORT_MNT, FAN_MARK_ADD, FAN_OPEN, EINVAL),
        (FAN_REPORT_MNT, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_OPEN, EINVAL),
        (FAN_REPORT_MNT, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH | FAN_ONDIR, EINVAL),
        *(
            (FAN_REPORT_MNT, FAN_MARK_ADD | kind, FAN_MNT_ATTACH, EINVAL)
            for kind in (FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM)
        ),
        *(
            (FAN_REPORT_MNT, FAN_MARK_FLUSH | kind, Mask(0), EINVAL)
            for kind in (FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM)
        ),
        (FAN_REPORT_MNT, FAN_MARK_FLUSH | FAN_MARK_MNTNS, Mask(0), OK),
    ],
    "MARK-MNT-PLAIN-GROUP": [
        (group, FAN_MARK_ADD | kind, event, EINVAL)
        for group in (FAN_CLASS_NOTIF, FAN_REPORT_FID)
        for kind, event in (
            (FAN_MARK_INODE, FAN_MNT_ATTACH),
            (FAN_MARK_MOUNT, FAN_MNT_DETACH),
            (FAN_MARK_FILESYSTEM, FAN_MNT_ATTACH),
            (FAN_MARK_MNTNS, FAN_MNT_ATTACH),
            (FAN_MARK_MNTNS, FAN_OPEN),
        )
    ],
}


@pytest.mark.parametrize(("group_flags", "flags", "mask", "answer"), by_behaviour(ROWS))
@requires(lambda group_flags, flags, mask: (group_flags, flags, mask))
def test_words(group_flags, flags, mask, answer, ext4_dir):
    with FanotifyGroup(group_flags) as group:
        expect(answer, group.mark, flags, mask, ext4_dir)


@pytest.mark.behaviour("MARK-FLAG-BEFORE-FD")
@pytest.mark.parametrize(
    ("flags", "mask", "answer"),
    [
        pytest.param(FAN_MARK_ADD, FAN_OPEN, EBADF, id="nothing-wrong-EBADF"),
        pytest.param(FAN_MARK_ADD | UNKNOWN_FLAG, FAN_OPEN, EINVAL, id="flag-EINVAL"),
        pytest.param(Mark(0), FAN_OPEN, EINVAL, id="command-EINVAL"),
        pytest.param(FAN_MARK_ADD, UNKNOWN_EVENT, EINVAL, id="event-EINVAL"),
        pytest.param(FAN_MARK_ADD, Mask(0), EINVAL, id="no-event-EINVAL"),
        pytest.param(FAN_MARK_FLUSH | FAN_MARK_ONLYDIR, Mask(0), EINVAL, id="flush-EINVAL"),
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
    with opened(ext4_dir, open_flags) as other:
        expect(answer, fanotify_mark, other, FAN_MARK_ADD, FAN_OPEN, ext4_dir)


@pytest.mark.behaviour("MARK-NOT-FANOTIFY")
def test_descriptor_that_was_closed(ext4_dir):
    with FanotifyGroup() as group:
        number = group.fd
    expect(EBADF, fanotify_mark, number, FAN_MARK_ADD, FAN_OPEN, ext4_dir)


@pytest.mark.behaviour("MARK-PERM-NOCONFIG")
@pytest.mark.parametrize("event", PERMISSION_EVENTS)
def test_permission_events_without_configuration(event, ext4_dir):
    if has(Feature.PERMISSION_EVENTS):
        skips.kconfig("this kernel has CONFIG_FANOTIFY_ACCESS_PERMISSIONS")
    with FanotifyGroup(FAN_CLASS_CONTENT) as group:
        expect(EINVAL, group.mark, FAN_MARK_ADD, event, ext4_dir)
        expect(EINVAL, group.mark, FAN_MARK_ADD, FAN_OPEN | event, ext4_dir)
