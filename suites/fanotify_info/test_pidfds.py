# SPDX-License-Identifier: GPL-2.0-or-later
"""The PIDFD record: its layout, and that there is one in events without a file handle too."""

import struct

import pytest

from helpers import sysctl
from helpers.actors import Actor
from helpers.events import METADATA_LEN
from helpers.fanotify import FanotifyGroup, watching
from helpers.features import Feature, require
from helpers.uapi import InfoType, Init, Mark, Mask, Response
from suites.fanotify_info.records import records_of


@pytest.fixture(autouse=True)
def _pidfds():
    require(Feature.REPORT_PIDFD)


@pytest.fixture
def file(ext4_dir):
    file = ext4_dir / "file"
    file.touch()
    return file


@pytest.mark.behaviour("INFO-PIDFD-LAYOUT")
def test_layout(file):
    with watching(file, Mask.OPEN, Init.REPORT_PIDFD) as group:
        file.read_bytes()
        event = group.read_one()
        assert len(event.raw) == METADATA_LEN + 8
        assert struct.unpack("=BBHi", records_of(event)) == (InfoType.PIDFD, 0, 8, event.pidfd)


@pytest.mark.behaviour("INFO-PIDFD-SINGLE")
def test_several_events_in_one_read(ext4_dir):
    files = [ext4_dir / name for name in "abc"]
    for file in files:
        file.touch()
    with watching(ext4_dir, Mask.OPEN | Mask.EVENT_ON_CHILD, Init.REPORT_PIDFD | Init.REPORT_FID) as group:
        for file in files:
            file.read_bytes()
        assert [event.types for event in group.wait().read()] == [[InfoType.FID, InfoType.PIDFD]] * len(files)


@pytest.mark.behaviour("INFO-PIDFD-SINGLE")
def test_overflow(ext4_dir, file):
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        group = FanotifyGroup(Init.REPORT_PIDFD)
    with group:
        group.mark(Mark.ADD, Mask.OPEN | Mask.ONDIR | Mask.EVENT_ON_CHILD, ext4_dir)
        file.read_bytes()
        list(ext4_dir.iterdir())
        events = group.wait().read()
    assert [event.mask for event in events] == [Mask.OPEN, Mask.Q_OVERFLOW]
    assert [event.types for event in events] == [[InfoType.PIDFD]] * 2


@pytest.mark.behaviour("INFO-PIDFD-SINGLE")
def test_permission_event(file):
    require(Feature.PERMISSION_EVENTS)
    flags = Init.REPORT_PIDFD | Init.CLASS_CONTENT
    with watching(file, Mask.OPEN_PERM, flags) as group, Actor(file.read_bytes) as actor:
        actor.start()
        event = group.read_one()
        assert event.types == [InfoType.PIDFD]
        group.respond(event.fd, Response.ALLOW)
        actor.finish()
