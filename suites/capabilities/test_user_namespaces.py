# SPDX-License-Identifier: GPL-2.0-or-later
"""What root of a user namespace may mark: what belongs to that namespace, since 6.16."""

import os
from errno import EACCES, EPERM

import pytest

from helpers.changes import changed_by
from helpers.children import in_child
from helpers.credentials import user_namespace
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.filesystems import mount
from helpers.requirements import requires
from helpers.uapi import (
    CLONE_NEWNS,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MNT_ATTACH,
    FAN_OPEN,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
)

EVERYTHING = [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM]


@pytest.mark.behaviour("CAP-USERNS-FS-MARK")
@requires(Feature.UNPRIVILEGED_GROUPS)
@pytest.mark.parametrize("kind", EVERYTHING)
@changed_by(Feature.UNPRIVILEGED_MNT, before=EPERM, after=OK)  # of the same commit, 58f5fbeb367f
def test_own_filesystem(kind, public_dir, answer):
    def call():
        mount("own", public_dir, "tmpfs")
        with FanotifyGroup(FAN_REPORT_FID) as group:
            expect(answer, group.mark, FAN_MARK_ADD | kind, FAN_OPEN, public_dir)

    in_child(call, user_namespace(CLONE_NEWNS))


@pytest.mark.behaviour("CAP-USERNS-FS-FOREIGN")
@requires(Feature.UNPRIVILEGED_GROUPS)
@pytest.mark.parametrize("kind", EVERYTHING)
def test_foreign_filesystem(kind, ext4_dir):
    def call():
        with FanotifyGroup(FAN_REPORT_FID) as group:
            expect(EPERM, group.mark, FAN_MARK_ADD | kind, FAN_OPEN, ext4_dir)

    in_child(call, user_namespace(CLONE_NEWNS))


@pytest.mark.behaviour("CAP-USERNS-GROUP-OUTER")
@requires(Feature.UNPRIVILEGED_GROUPS)
@pytest.mark.parametrize("kind", EVERYTHING)
def test_group_of_the_outer_namespace(kind, public_dir):
    with FanotifyGroup(FAN_REPORT_FID) as group:

        def call():
            mount("own", public_dir, "tmpfs")
            expect(EPERM, group.mark, FAN_MARK_ADD | kind, FAN_OPEN, public_dir)

        in_child(call, user_namespace(CLONE_NEWNS))


@pytest.mark.behaviour("CAP-USERNS-MNTNS")
@requires(Feature.UNPRIVILEGED_MNT)
def test_mount_namespaces():
    outer = os.getpid()

    def call():
        with FanotifyGroup(FAN_REPORT_MNT) as group:
            expect(OK, group.mark, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, "/proc/self/ns/mnt")
            expect(EACCES, group.mark, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, f"/proc/{outer}/ns/mnt")

    in_child(call, user_namespace(CLONE_NEWNS))
