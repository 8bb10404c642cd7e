# SPDX-License-Identifier: GPL-2.0-or-later
"""The MNT record, and the events of mounts in a mount namespace of an actor's own."""

import struct
from pathlib import Path

import pytest

from helpers.actors import Actor, in_turn
from helpers.events import MntRecord
from helpers.fanotify import watching
from helpers.filesystems import MS_MOVE, mount, umount, unique_mount_id
from helpers.namespaces import own_mounts
from helpers.requirements import requires
from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_MNT,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_MARK_MNTNS,
    FAN_MNT_ATTACH,
    FAN_MNT_DETACH,
    FAN_NOFD,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
)
from suites.fanotify_info.records import records_of

ATTACH_DETACH = FAN_MNT_ATTACH | FAN_MNT_DETACH
MNT = struct.Struct("=BBHIQ")
PIDFD_LENGTH = 8


class Mounter(Actor):
    """A child with mounts of its own, which makes, moves and removes one there."""

    def __init__(self, directory: Path) -> None:
        """Start the child; its next acts are to mount, to move and to unmount."""
        self.here, self.there = directory / "here", directory / "there"
        self.here.mkdir()
        self.there.mkdir()
        super().__init__(in_turn(own_mounts, self._mount, self._move, self._umount))
        self.act()
        self.namespace = Path(f"/proc/{self.pid}/ns/mnt")

    def _mount(self) -> int:
        mount("none", self.here, "tmpfs")
        return unique_mount_id(self.here)

    def _move(self) -> None:
        mount(str(self.here), self.there, "none", MS_MOVE)

    def _umount(self) -> None:
        umount(self.there)


@pytest.fixture
@requires(FAN_REPORT_MNT)
def mounter(public_dir):
    with Mounter(public_dir) as mounter:
        yield mounter


@pytest.mark.behaviour("INFO-MNT-LAYOUT", "INFO-HDR-PAD")
def test_layout(mounter):
    with watching(mounter.namespace, FAN_MNT_ATTACH, FAN_REPORT_MNT, mark=FAN_MARK_MNTNS) as group:
        mount_id = mounter.act()
        assert records_of(group.read_one()) == MNT.pack(FAN_EVENT_INFO_TYPE_MNT, 0, MNT.size, 0, mount_id)


@pytest.mark.behaviour("INFO-MNT-LAYOUT", "INFO-ORDER", "INFO-PIDFD-SINGLE")
def test_layout_behind_a_pidfd(mounter):
    flags = FAN_REPORT_MNT | FAN_REPORT_PIDFD
    with watching(mounter.namespace, FAN_MNT_ATTACH, flags, mark=FAN_MARK_MNTNS) as group:
        mount_id = mounter.act()
        event = group.read_one()
        assert event.types == [FAN_EVENT_INFO_TYPE_PIDFD, FAN_EVENT_INFO_TYPE_MNT]
        assert records_of(event)[PIDFD_LENGTH:] == MNT.pack(FAN_EVENT_INFO_TYPE_MNT, 0, MNT.size, 0, mount_id)


@pytest.mark.behaviour("INFO-MNT-EVENTS")
def test_mount_move_and_umount(mounter):
    with watching(mounter.namespace, ATTACH_DETACH, FAN_REPORT_MNT, mark=FAN_MARK_MNTNS) as group:
        for mask in (FAN_MNT_ATTACH, ATTACH_DETACH, FAN_MNT_DETACH):
            mounter.act()
            event = group.read_one()
            assert (event.mask, event.fd, event.pid) == (mask, FAN_NOFD, mounter.pid)


@pytest.mark.behaviour("INFO-MNT-NOMERGE")
def test_events_are_not_merged(mounter):
    with watching(mounter.namespace, ATTACH_DETACH, FAN_REPORT_MNT, mark=FAN_MARK_MNTNS) as group:
        mount_id, _, _ = (mounter.act() for _ in range(3))
        events = group.wait().read()
        assert [event.mask for event in events] == [FAN_MNT_ATTACH, ATTACH_DETACH, FAN_MNT_DETACH]
        assert {event.one(MntRecord).mnt_id for event in events} == {mount_id}
