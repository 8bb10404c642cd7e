# SPDX-License-Identifier: GPL-2.0-or-later
"""What fanotify_mark(2) lets a caller without CAP_SYS_ADMIN mark, and with whose group."""

import socket
from errno import EACCES, EINVAL, EPERM

import pytest

from helpers.changes import changed_by
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.descriptors import closing
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup, fanotify_mark
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_MARK_ADD,
    FAN_MARK_EVICTABLE,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_REPORT_FID,
    Mask,
)

pytestmark = requires(Feature.UNPRIVILEGED_GROUPS)

EVERYTHING = [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM]
UNKNOWN_EVENT = Mask(0x2000)


@pytest.mark.behaviour("CAP-UNPRIV-MOUNT-MARK")
@pytest.mark.parametrize("kind", EVERYTHING)
def test_mark_on_everything(kind, public_dir):
    expect_unprivileged(EPERM, kind, FAN_OPEN, public_dir)


@pytest.mark.behaviour("CAP-MARK-ORDER-PATH")
@pytest.mark.parametrize("kind", EVERYTHING)
def test_privilege_before_path(kind, public_dir):
    expect_unprivileged(EPERM, kind, FAN_OPEN, public_dir / "nothing")


@pytest.mark.behaviour("CAP-MARK-ORDER-MASK")
def test_mask_before_privilege(public_dir):
    expect_unprivileged(EINVAL, FAN_MARK_MOUNT, UNKNOWN_EVENT, public_dir)


@pytest.mark.behaviour("CAP-MARK-ORDER-MASK")
@requires(FAN_MARK_EVICTABLE)
def test_privilege_before_combinations_of_flags(public_dir):
    expect_unprivileged(EPERM, FAN_MARK_MOUNT | FAN_MARK_EVICTABLE, FAN_OPEN, public_dir)
    with FanotifyGroup(FAN_REPORT_FID) as group:
        expect(EINVAL, group.mark, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_EVICTABLE, FAN_OPEN, public_dir)


@pytest.mark.behaviour("CAP-UNPRIV-PERM-MASK")
@requires(Feature.PERMISSION_EVENTS)
def test_permission_events(public_dir):
    expect_unprivileged(EINVAL, FAN_MARK_INODE, FAN_OPEN_PERM, public_dir)


@pytest.mark.behaviour("CAP-UNPRIV-READ-PERM")
@pytest.mark.parametrize(("mode", "answer"), [(0o600, EACCES), (0o644, OK)], ids=["0600-EACCES", "0644-ok"])
def test_read_permission(mode, answer, ext4_dir):
    file = ext4_dir / "file"
    file.touch()
    file.chmod(mode)
    expect_unprivileged(answer, FAN_MARK_INODE, FAN_OPEN, file)


@pytest.mark.behaviour("CAP-PRIV-GROUP-UNPRIV-USER")
@pytest.mark.parametrize("kind", EVERYTHING)
def test_privileged_group_of_an_unprivileged_user(kind, public_dir):
    with FanotifyGroup() as group:
        in_child(lambda: expect(EPERM, group.mark, FAN_MARK_ADD | kind, FAN_OPEN, public_dir), unprivileged)
        expect(OK, group.mark, FAN_MARK_ADD | kind, FAN_OPEN, public_dir)


@pytest.mark.behaviour("CAP-UNPRIV-INHERITED")
@pytest.mark.parametrize("kind", EVERYTHING)
@changed_by(Feature.UNPRIVILEGED_MNT, before=EPERM, after=OK)  # of the same commit, 58f5fbeb367f
def test_unprivileged_group_of_a_privileged_user(kind, ext4_dir, answer):
    here, there = socket.socketpair()
    with here, there:
        in_child(lambda: send_group(there), unprivileged)
        _, (group,), _, _ = socket.recv_fds(here, 1, 1)
    with closing(group):
        expect(answer, fanotify_mark, group, FAN_MARK_ADD | kind, FAN_OPEN, ext4_dir)


def expect_unprivileged(answer, flags, mask, path):
    """Hold the kernel to an answer to an unprivileged caller, who marks with a group of his own."""

    def call():
        with FanotifyGroup(FAN_REPORT_FID) as group:
            expect(answer, group.mark, FAN_MARK_ADD | flags, mask, path)

    in_child(call, unprivileged)


def send_group(channel):
    """Make a group, and give its descriptor away."""
    with FanotifyGroup(FAN_REPORT_FID) as group:
        socket.send_fds(channel, [b"g"], [group.fd])
