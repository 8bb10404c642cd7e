# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_CREATE, FAN_DELETE, FAN_MOVED_FROM and FAN_MOVED_TO: what raises them, in which directory."""

import os
import socket
import stat

import pytest

from helpers.events import FidRecord
from helpers.fanotify import FanotifyGroup, watching
from helpers.uapi import (
    FAN_CREATE,
    FAN_DELETE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MOVE,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID,
    Mask,
)
from suites.fanotify_events.changes import exchange, link_open_file

ENTRIES = FAN_CREATE | FAN_DELETE | FAN_MOVE | FAN_ONDIR
NONE = Mask(0)


@pytest.fixture
def tree(ext4_dir):
    """Two directories, old and new, with a file and a directory in each."""
    for directory in (ext4_dir / "old", ext4_dir / "new"):
        (directory / "directory").mkdir(parents=True)
        (directory / "file").touch()
    return ext4_dir


def named(group):
    """Return mask and name of each event so far."""
    try:
        return [(event.mask, event.one(FidRecord).name) for event in group.read()]
    except BlockingIOError:
        return []


def watching_entries(directory, mask=ENTRIES):
    return watching(directory, mask, FAN_NONBLOCK | FAN_REPORT_DFID_NAME)


def bind(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


WAYS = {
    "open": lambda path: path.touch(),
    "mkdir": lambda path: path.mkdir(),
    "symlink": lambda path: path.symlink_to("nowhere"),
    "link": lambda path: os.link(path.with_name("file"), path),
    "mknod-file": os.mknod,
    "mknod-fifo": os.mkfifo,
    "mknod-device": lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
    "bind": bind,
}


@pytest.mark.behaviour("META-CREATE", "META-DELETE")
@pytest.mark.parametrize("act", WAYS.values(), ids=WAYS)
def test_made_and_removed(tree, act):
    path = tree / "old" / "name"
    with watching_entries(path.parent) as group:
        act(path)
        flag = FAN_ONDIR if path.is_dir() else NONE
        assert named(group) == [(FAN_CREATE | flag, b"name")]
        path.rmdir() if flag else path.unlink()
        assert named(group) == [(FAN_DELETE | flag, b"name")]


@pytest.mark.behaviour("META-CREATE")
def test_file_that_gets_its_name_later(tree):
    with watching_entries(tree / "old") as group:
        fd = os.open(tree / "old", os.O_TMPFILE | os.O_WRONLY)
        group.assert_empty()
        link_open_file(fd, tree / "old" / "name")
        os.close(fd)
        assert named(group) == [(FAN_CREATE, b"name")]


@pytest.mark.behaviour("META-CREATE")
def test_file_that_is_there_already(tree):
    with watching_entries(tree / "old") as group:
        os.close(os.open(tree / "old" / "file", os.O_CREAT | os.O_TRUNC | os.O_WRONLY))
        group.assert_empty()


@pytest.mark.behaviour("META-MOVED")
@pytest.mark.parametrize("name", ["file", "directory"])
@pytest.mark.parametrize(
    ("watched", "expected"),
    [
        pytest.param(["old"], ["from"], id="old"),
        pytest.param(["new"], ["to"], id="new"),
        pytest.param(["old", "new"], ["from", "to"], id="both"),
    ],
)
def test_moved_between_directories(tree, name, watched, expected):
    flag = FAN_ONDIR if name == "directory" else NONE
    events = {"from": (FAN_MOVED_FROM | flag, name.encode()), "to": (FAN_MOVED_TO | flag, b"moved")}
    with FanotifyGroup(FAN_NONBLOCK | FAN_REPORT_DFID_NAME) as group:
        for directory in watched:
            group.mark(FAN_MARK_ADD, ENTRIES, tree / directory)
        (tree / "old" / name).rename(tree / "new" / "moved")
        assert named(group) == [events[each] for each in expected]


@pytest.mark.behaviour("META-MOVED")
@pytest.mark.parametrize("name", ["file", "directory"])
def test_renamed_in_a_directory(tree, name):
    flag = FAN_ONDIR if name == "directory" else NONE
    with watching_entries(tree / "old") as group:
        (tree / "old" / name).rename(tree / "old" / "moved")
        assert named(group) == [(FAN_MOVED_FROM | flag, name.encode()), (FAN_MOVED_TO | flag, b"moved")]


@pytest.mark.behaviour("META-MOVED-EXCHANGE")
def test_exchanged_in_a_directory(tree):
    with watching_entries(tree / "old") as group:
        exchange(tree / "old" / "file", tree / "old" / "directory")
        assert named(group) == [
            (FAN_MOVED_FROM, b"file"),
            (FAN_MOVED_TO, b"directory"),
            (FAN_MOVED_FROM | FAN_ONDIR, b"directory"),
            (FAN_MOVED_TO | FAN_ONDIR, b"file"),
        ]


@pytest.mark.behaviour("META-MOVED-EXCHANGE")
@pytest.mark.parametrize(
    ("watched", "expected"),
    [
        ("old", [(FAN_MOVED_FROM, b"file"), (FAN_MOVED_TO | FAN_ONDIR, b"file")]),
        ("new", [(FAN_MOVED_TO, b"directory"), (FAN_MOVED_FROM | FAN_ONDIR, b"directory")]),
    ],
)
def test_exchanged_between_directories(tree, watched, expected):
    with watching_entries(tree / watched) as group:
        exchange(tree / "old" / "file", tree / "new" / "directory")
        assert named(group) == expected


def make_remove_and_rename(directory):
    (directory / "new").touch()
    (directory / "new").rename(directory / "renamed")
    (directory / "renamed").unlink()
    (directory / "new").mkdir()
    (directory / "new").rename(directory / "renamed")
    (directory / "renamed").rmdir()


@pytest.mark.behaviour("META-ENTRY-DEPTH")
@pytest.mark.parametrize("report", [FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
def test_entries_of_a_subdirectory(tree, report):
    with watching(tree, ENTRIES | FAN_EVENT_ON_CHILD, FAN_NONBLOCK | report) as group:
        make_remove_and_rename(tree / "old")
        group.assert_empty()


@pytest.mark.behaviour("META-ONDIR-REQUIRED")
def test_subdirectories_without_ondir(tree):
    with watching_entries(tree / "old", ENTRIES & ~FAN_ONDIR) as group:
        (tree / "old" / "sub").mkdir()
        (tree / "old" / "sub").rename(tree / "old" / "renamed")
        (tree / "old" / "renamed").rmdir()
        group.assert_empty()
        (tree / "old" / "new").touch()
        assert named(group) == [(FAN_CREATE, b"new")]
