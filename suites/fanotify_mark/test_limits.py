# SPDX-License-Identifier: GPL-2.0-or-later
"""How many marks a user may have: marks of every kind count."""

from errno import ENOSPC

import pytest

from helpers import sysctl
from helpers.children import in_child
from helpers.credentials import user
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLOSE,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_FLUSH,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MNT_ATTACH,
    FAN_OPEN,
    FAN_REPORT_MNT,
)

SPARE_USER = 54322
TYPES = [FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM]


@pytest.fixture
@requires(Feature.UNPRIVILEGED_GROUPS)
def one_mark():
    """The limit of marks that every user has."""
    with sysctl.setting(sysctl.FANOTIFY / "max_user_marks", 1):
        yield


@pytest.mark.behaviour("MARK-ENOSPC")
@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", TYPES)
def test_limit(first, second, one_mark, ext4_dir):
    (ext4_dir / "file").touch()

    def call():
        with FanotifyGroup() as group:
            expect(OK, group.mark, FAN_MARK_ADD | first, FAN_OPEN, ext4_dir)
            expect(OK, group.mark, FAN_MARK_ADD | first, FAN_CLOSE, ext4_dir)
            other = ext4_dir / "file" if first == second == FAN_MARK_INODE else ext4_dir
            if first != second or second == FAN_MARK_INODE:
                expect(ENOSPC, group.mark, FAN_MARK_ADD | second, FAN_OPEN, other)
            group.mark(FAN_MARK_FLUSH | first, 0)
            expect(OK, group.mark, FAN_MARK_ADD | second, FAN_OPEN, other)

    in_child(call, user(SPARE_USER))


@pytest.mark.behaviour("MARK-ENOSPC")
@requires(FAN_REPORT_MNT)
def test_limit_of_mount_namespaces(one_mark, ext4_dir):
    def call():
        with FanotifyGroup() as group, FanotifyGroup(FAN_REPORT_MNT) as mounts:
            group.mark(FAN_MARK_ADD, FAN_OPEN, ext4_dir)
            expect(ENOSPC, mounts.mark, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, "/proc/self/ns/mnt")
            group.mark(FAN_MARK_FLUSH, 0)
            expect(OK, mounts.mark, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, "/proc/self/ns/mnt")

    in_child(call, user(SPARE_USER))
