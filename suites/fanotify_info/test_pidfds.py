# SPDX-License-Identifier: GPL-2.0-or-later
"""The PIDFD record: its layout, and that there is one in events without a file handle too."""

import struct

import pytest

from helpers import sysctl
from helpers.actors import Actor
from helpers.fanotify import FanotifyGroup, watching
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_EVENT_METADATA_LEN,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_Q_OVERFLOW,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
)
from suites.fanotify_info.records import records_of

pytestmark = requires(FAN_REPORT_PIDFD)


@pytest.fixture
def file(ext4_dir):
    file = ext4_dir / "file"
    file.touch()
    return file


@pytest.mark.behaviour("INFO-PIDFD-LAYOUT")
def test_layout(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group:
        file.read_bytes()
        event = group.read_one()
        assert len(event.raw) == FAN_EVENT_METADATA_LEN + 8
        assert struct.unpack("=BBHi", records_of(event)) == (FAN_EVENT_INFO_TYPE_PIDFD, 0, 8, event.pidfd)


@pytest.mark.behaviour("INFO-PIDFD-SINGLE")
def test_several_events_in_one_read(ext4_dir):
    files = [ext4_dir / name for name in "abc"]
    for file in files:
        file.touch()
    with watching(ext4_dir, FAN_OPEN | FAN_EVENT_ON_CHILD, FAN_REPORT_PIDFD | FAN_REPORT_FID) as group:
        for file in files:
            file.read_bytes()
        assert [event.types for event in group.wait().read()] == [
            [FAN_EVENT_INFO_TYPE_FID, FAN_EVENT_INFO_TYPE_PIDFD]
        ] * len(files)


@pytest.mark.behaviour("INFO-PIDFD-SINGLE")
def test_overflow(ext4_dir, file):
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        group = FanotifyGroup(FAN_REPORT_PIDFD)
    with group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR | FAN_EVENT_ON_CHILD, ext4_dir)
        file.read_bytes()
        list(ext4_dir.iterdir())
        events = group.wait().read()
    assert [event.mask for event in events] == [FAN_OPEN, FAN_Q_OVERFLOW]
    assert [event.types for event in events] == [[FAN_EVENT_INFO_TYPE_PIDFD]] * 2


@pytest.mark.behaviour("INFO-PIDFD-SINGLE")
@requires(Feature.PERMISSION_EVENTS)
def test_permission_event(file):
    flags = FAN_REPORT_PIDFD | FAN_CLASS_CONTENT
    with watching(file, FAN_OPEN_PERM, flags) as group, Actor(file.read_bytes) as actor:
        actor.start()
        event = group.read_one()
        assert event.types == [FAN_EVENT_INFO_TYPE_PIDFD]
        group.respond(event.fd, FAN_ALLOW)
        actor.finish()
