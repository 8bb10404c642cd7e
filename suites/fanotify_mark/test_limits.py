# SPDX-License-Identifier: GPL-2.0-or-later
"""How many marks a user may have: marks of every kind count."""

from errno import ENOSPC

import pytest

from helpers import sysctl
from helpers.children import in_child
from helpers.credentials import user
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, require
from helpers.uapi import Init, Mark, Mask

ADD, FLUSH = Mark.ADD, Mark.FLUSH
SPARE_USER = 54322
TYPES = [Mark.INODE, Mark.MOUNT, Mark.FILESYSTEM]


@pytest.fixture
def one_mark():
    """The limit of marks that every user has."""
    require(Feature.UNPRIVILEGED_GROUPS)
    with sysctl.setting(sysctl.FANOTIFY / "max_user_marks", 1):
        yield


@pytest.mark.behaviour("MARK-ENOSPC")
@pytest.mark.parametrize("first", TYPES, ids=str)
@pytest.mark.parametrize("second", TYPES, ids=str)
def test_limit(first, second, one_mark, ext4_dir):
    (ext4_dir / "file").touch()

    def call():
        with FanotifyGroup() as group:
            expect(OK, group.mark, ADD | first, Mask.OPEN, ext4_dir)
            expect(OK, group.mark, ADD | first, Mask.CLOSE, ext4_dir)
            other = ext4_dir / "file" if first == second == Mark.INODE else ext4_dir
            if first != second or second == Mark.INODE:
                expect(ENOSPC, group.mark, ADD | second, Mask.OPEN, other)
            group.mark(FLUSH | first, 0)
            expect(OK, group.mark, ADD | second, Mask.OPEN, other)

    in_child(call, user(SPARE_USER))


@pytest.mark.behaviour("MARK-ENOSPC")
def test_limit_of_mount_namespaces(one_mark, ext4_dir):
    require(Feature.REPORT_MNT)

    def call():
        with FanotifyGroup() as group, FanotifyGroup(Init.REPORT_MNT) as mounts:
            group.mark(ADD, Mask.OPEN, ext4_dir)
            expect(ENOSPC, mounts.mark, ADD | Mark.MNTNS, Mask.MNT_ATTACH, "/proc/self/ns/mnt")
            group.mark(FLUSH, 0)
            expect(OK, mounts.mark, ADD | Mark.MNTNS, Mask.MNT_ATTACH, "/proc/self/ns/mnt")

    in_child(call, user(SPARE_USER))
