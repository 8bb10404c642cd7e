# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events become one in the queue."""

import os

import pytest

from helpers import actors
from helpers.actors import ThreadActor
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.permission import Requester
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_CREATE,
    FAN_DELETE,
    FAN_EVENT_ON_CHILD,
    FAN_MOVE,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID,
    FAN_REPORT_TID,
    Init,
)

OPEN_AND_CLOSE = FAN_OPEN | FAN_CLOSE_NOWRITE


@pytest.mark.behaviour("META-MERGE-SAME")
@pytest.mark.parametrize("fids", [Init(0), FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
def test_one_process_and_one_object(file, fids):
    with watching(file, FAN_OPEN | FAN_CLOSE, fids | FAN_NONBLOCK) as group:
        file.read_bytes()
        file.read_bytes()
        assert group.read_one().mask == OPEN_AND_CLOSE


@pytest.mark.behaviour("META-MERGE-INTERLEAVED")
def test_events_of_another_object_between(ext4_dir, file):
    other = ext4_dir / "other"
    other.touch()
    with watching(ext4_dir, FAN_OPEN | FAN_CLOSE | FAN_EVENT_ON_CHILD) as group:
        file.read_bytes()
        other.read_bytes()
        file.read_bytes()
        events = group.read()
        assert [event.mask for event in events] == [OPEN_AND_CLOSE] * 2
        assert [os.fstat(event.fd).st_ino for event in events] == [file.stat().st_ino, other.stat().st_ino]


@pytest.mark.behaviour("META-MERGE-SAME")
def test_what_was_read_is_merged_with_nothing(file):
    with watching(file, FAN_OPEN) as group:
        file.read_bytes()
        group.read_one()
        file.read_bytes()
        assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("META-MERGE-OTHER-PID")
def test_two_processes(file):
    with watching(file, FAN_OPEN) as group, actors.reaped(file.read_bytes) as actor:
        file.read_bytes()
        assert [event.pid for event in group.read()] == [actor.pid, os.getpid()]


@pytest.mark.behaviour("META-MERGE-THREADS")
@pytest.mark.parametrize("flags", [Init(0), FAN_REPORT_TID])
def test_two_threads(file, flags):
    with (
        watching(file, FAN_OPEN, flags) as group,
        ThreadActor(file.read_bytes) as one,
        ThreadActor(file.read_bytes) as other,
    ):
        one.act()
        other.act()
        pids = [event.pid for event in group.read()]
        assert pids == ([one.tid, other.tid] if flags & FAN_REPORT_TID else [os.getpid()])


@pytest.mark.behaviour("META-MERGE-ONDIR")
def test_entries_of_both_kinds(ext4_dir):
    with watching(ext4_dir, FAN_CREATE | FAN_ONDIR, FAN_REPORT_FID) as group:
        (ext4_dir / "file").touch()
        (ext4_dir / "sub").mkdir()
        (ext4_dir / "file2").touch()
        (ext4_dir / "sub2").mkdir()
        assert [event.mask for event in group.read()] == [FAN_CREATE, FAN_CREATE | FAN_ONDIR]


@pytest.mark.behaviour("META-MERGE-NAME")
def test_entries_of_different_names(ext4_dir):
    with watching(ext4_dir, FAN_CREATE | FAN_DELETE, FAN_REPORT_DFID_NAME) as group:
        for name in ("one", "other"):
            (ext4_dir / name).touch()
            (ext4_dir / name).unlink()
        assert [event.mask for event in group.read()] == [FAN_CREATE | FAN_DELETE] * 2


@pytest.mark.behaviour("META-MERGE-RENAME")
@requires(FAN_RENAME)
def test_rename(ext4_dir, file):
    mask = FAN_RENAME | FAN_MOVE | FAN_CREATE | FAN_DELETE
    with watching(ext4_dir, mask, FAN_REPORT_DFID_NAME) as group:
        file.rename(ext4_dir / "renamed")
        (ext4_dir / "renamed").unlink()
        (ext4_dir / "file").touch()
        masks = [event.mask for event in group.read()]
        assert masks.count(FAN_RENAME) == 1
        assert sorted(masks) == sorted([FAN_RENAME, FAN_MOVED_FROM | FAN_CREATE, FAN_MOVED_TO | FAN_DELETE])


@pytest.mark.behaviour("META-MERGE-PERM")
@requires(Feature.PERMISSION_EVENTS)
def test_permission_events(file):
    with (
        watching(file, FAN_OPEN_PERM, FAN_NONBLOCK | FAN_CLASS_CONTENT) as group,
        Requester(file.read_bytes) as one,
        Requester(file.read_bytes) as other,
    ):
        one.request(group)
        other.request(group)
        events = group.read()
        assert [event.pid for event in events] == [one.pid, other.pid]
        for event in events:
            group.respond(event.fd, FAN_ALLOW)
        assert one.finish() == other.finish() == b"content"
