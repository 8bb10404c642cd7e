# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_MOVE_SELF and FAN_DELETE_SELF: what raises them, and that a directory's watchers do not get those of entries."""

import os

import pytest

from helpers.fanotify import watching
from helpers.uapi import (
    FAN_ATTRIB,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_EVENT_INFO_TYPE_DFID,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MODIFY,
    FAN_MOVE_SELF,
    FAN_MOVED_TO,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    Mask,
)
from suites.fanotify_events.changes import exchange

SELF = FAN_MOVE_SELF | FAN_DELETE_SELF
BY_TYPE = pytest.mark.parametrize("kind", [FAN_MARK_INODE, FAN_MARK_FILESYSTEM])
NAMES = ("file", "directory")


def made(directory, name):
    """Make a file or a directory of this name."""
    path = directory / name
    if name.startswith("file"):
        path.touch()
    else:
        path.mkdir()
    return path


@pytest.fixture(params=NAMES)
def path(request, ext4_dir):
    """A file or a directory."""
    (ext4_dir / "elsewhere").mkdir()
    (ext4_dir / "elsewhere" / "other").touch()
    return made(ext4_dir, request.param)


def own_events(path, mask, kind=FAN_MARK_INODE, report=FAN_REPORT_FID):
    return watching(path, mask | FAN_ONDIR, FAN_NONBLOCK | report, mark=kind)


def flag_of(path):
    return FAN_ONDIR if path.is_dir() else Mask(0)


def rename(path):
    path.rename(path.with_name("new"))


def move(path):
    path.rename(path.parent / "elsewhere" / "new")


def swap(path):
    exchange(path, path.parent / "elsewhere" / "other")


def remove(path):
    path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.behaviour("META-MOVE-SELF")
@pytest.mark.parametrize("act", [rename, move, swap])
def test_moved(path, act):
    flag = flag_of(path)
    with own_events(path, SELF) as group:
        act(path)
        assert group.masks() == [FAN_MOVE_SELF | flag]


@pytest.mark.behaviour("META-MOVE-SELF")
def test_moved_in_a_watched_filesystem(path):
    flag = flag_of(path)
    with own_events(path, FAN_MOVE_SELF, FAN_MARK_FILESYSTEM) as group:
        rename(path)
        assert group.masks() == [FAN_MOVE_SELF | flag]


@pytest.mark.behaviour("META-NO-PARENT")
@pytest.mark.parametrize("act", [rename, remove])
@pytest.mark.parametrize(
    ("report", "seen"),
    [
        (FAN_REPORT_DIR_FID, False),
        (FAN_REPORT_DFID_NAME, False),
        (FAN_REPORT_DIR_FID | FAN_REPORT_FID, True),
        (FAN_REPORT_DFID_NAME | FAN_REPORT_FID, True),
    ],
)
def test_no_directory_to_report(path, act, report, seen):
    """Of a directory it is itself that is reported."""
    seen = seen or path.is_dir()
    with own_events(path, SELF, report=report) as group:
        act(path)
        assert len(group.masks()) == seen


OBJECT = (FAN_EVENT_INFO_TYPE_FID, None)
OLD_DIRECTORY, OLD_NAME = (FAN_EVENT_INFO_TYPE_DFID, None), (FAN_EVENT_INFO_TYPE_DFID_NAME, b"file")


@pytest.mark.behaviour("META-UNLINKED-OPEN")
@pytest.mark.parametrize("path", ["file"], indirect=True)
@BY_TYPE
@pytest.mark.parametrize(
    ("report", "records"),
    [
        pytest.param(FAN_REPORT_DIR_FID | FAN_REPORT_FID, [OLD_DIRECTORY, OBJECT], id="DIR_FID-and-FID"),
        pytest.param(FAN_REPORT_DFID_NAME, [OLD_NAME], id="DFID_NAME"),
        pytest.param(FAN_REPORT_DFID_NAME | FAN_REPORT_FID, [OLD_NAME, OBJECT], id="DFID_NAME-and-FID"),
    ],
)
def test_file_that_has_lost_its_name(path, kind, report, records):
    with path.open("w") as opened, own_events(path, FAN_MODIFY, kind, report) as group:
        path.unlink()
        os.write(opened.fileno(), b"content")
        assert [(record.type, record.name) for record in group.read_one().records] == records


@pytest.mark.behaviour("META-DELETE-SELF")
@BY_TYPE
def test_removed(path, kind):
    flag = flag_of(path)
    with own_events(path, SELF, kind) as group:
        remove(path)
        assert group.masks() == [FAN_DELETE_SELF | flag]


@pytest.mark.behaviour("META-DELETE-SELF")
@pytest.mark.parametrize("path", ["file"], indirect=True)
def test_last_of_two_names_removed(path):
    os.link(path, path.with_name("link"))
    with own_events(path, SELF) as group:
        remove(path)
        group.assert_empty()
        remove(path.with_name("link"))
        assert group.masks() == [FAN_DELETE_SELF]


@pytest.mark.behaviour("META-DELETE-SELF")
@pytest.mark.parametrize("path", ["file"], indirect=True)
def test_removed_while_it_is_open(path):
    with own_events(path, SELF) as group:
        with path.open():
            remove(path)
            group.assert_empty()
        assert group.masks() == [FAN_DELETE_SELF]


@pytest.mark.behaviour("META-DELETE-SELF-ONCE")
@pytest.mark.parametrize("path", ["file"], indirect=True)
@BY_TYPE
def test_removed_while_it_is_open_by_two_names(path, kind):
    link = path.with_name("link")
    os.link(path, link)
    with own_events(path, SELF, kind) as group, path.open() as one, link.open() as other:
        path.unlink()
        link.unlink()
        one.close()
        group.assert_empty()
        other.close()
        assert group.masks() == [FAN_DELETE_SELF]


@pytest.mark.behaviour("META-SELF-PARENT")
@pytest.mark.parametrize("act", [rename, move, remove])
@pytest.mark.parametrize("report", [FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
def test_parent_is_watched(path, act, report):
    with own_events(path.parent, SELF | FAN_EVENT_ON_CHILD, report=report) as group:
        act(path)
        group.assert_empty()


@pytest.mark.behaviour("META-RENAME-REPLACED")
@pytest.mark.parametrize("name", NAMES)
def test_replaced(ext4_dir, name):
    replaced, new = made(ext4_dir, name), made(ext4_dir, f"{name}-2")
    flag = flag_of(replaced)
    with own_events(replaced, SELF | FAN_ATTRIB) as group:
        new.rename(replaced)
        assert group.masks() == [FAN_ATTRIB | FAN_DELETE_SELF | flag]


@pytest.mark.behaviour("META-RENAME-REPLACED")
@pytest.mark.parametrize("name", NAMES)
def test_directory_of_what_is_replaced(ext4_dir, name):
    replaced, new = made(ext4_dir, name), made(ext4_dir, f"{name}-2")
    with own_events(ext4_dir, FAN_DELETE | FAN_MOVED_TO) as group:
        new.rename(replaced)
        assert group.masks() == [FAN_MOVED_TO | flag_of(replaced)]
