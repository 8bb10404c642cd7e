# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_ATTRIB: which changes of files and directories it tells of, and whom."""

import os

import pytest

from helpers.fanotify import watching
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ATTRIB,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MODIFY,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_REPORT_FID,
    Mask,
)
from suites.fanotify_events.changes import ACL, change_flags, set_acl, set_times

NOTHING = Mask(0)
WATCHERS = {
    "itself": (FAN_MARK_INODE, lambda path: path),
    "parent": (FAN_MARK_INODE, lambda path: path.parent),
    "filesystem": (FAN_MARK_FILESYSTEM, lambda path: path),
}
"""Who watches: the type of the mark, and the object that it is put on."""
BY_WATCHER = pytest.mark.parametrize("watcher", WATCHERS)


@pytest.fixture(params=["file", "directory"])
def path(request, ext4_dir):
    """A file or a directory in a directory, with an extended attribute and an access control list."""
    path = ext4_dir / request.param
    if request.param == "file":
        path.touch()
    else:
        path.mkdir()
    os.setxattr(path, "user.old", b"")
    set_acl(path)
    return path


def watching_path(path, watcher):
    kind, object_of = WATCHERS[watcher]
    mask = FAN_ATTRIB | FAN_ACCESS | FAN_MODIFY | FAN_ONDIR | FAN_EVENT_ON_CHILD
    return watching(object_of(path), mask, FAN_NONBLOCK | FAN_REPORT_FID, mark=kind)


CHANGES = [
    ("META-ATTRIB", "chmod", lambda path: path.chmod(0o600), FAN_ATTRIB),
    ("META-ATTRIB", "chown", lambda path: os.chown(path, 1, -1), FAN_ATTRIB),
    ("META-ATTRIB", "chgrp", lambda path: os.chown(path, -1, 1), FAN_ATTRIB),
    ("META-ATTRIB", "utime", os.utime, FAN_ATTRIB),
    ("META-ATTRIB", "setxattr", lambda path: os.setxattr(path, "user.new", b""), FAN_ATTRIB),
    ("META-ATTRIB", "removexattr", lambda path: os.removexattr(path, "user.old"), FAN_ATTRIB),
    ("META-ATTRIB", "acl", set_acl, FAN_ATTRIB),
    ("META-ATTRIB", "acl-removed", lambda path: os.removexattr(path, ACL), FAN_ATTRIB),
    ("META-ATTRIB-FLAGS", "chattr", change_flags, FAN_ATTRIB),
    ("META-ATTRIB-TIME", "atime", lambda path: set_times(path, accessed=True, modified=False), FAN_ACCESS),
    ("META-ATTRIB-TIME", "mtime", lambda path: set_times(path, accessed=False, modified=True), FAN_MODIFY),
    ("META-ATTRIB-TIME", "no-time", lambda path: set_times(path, accessed=False, modified=False), NOTHING),
]


@BY_WATCHER
@pytest.mark.parametrize(
    ("act", "mask"),
    [pytest.param(act, mask, marks=pytest.mark.behaviour(id_), id=name) for id_, name, act, mask in CHANGES],
)
def test_change(path, act, mask, watcher):
    flag = FAN_ONDIR if path.is_dir() else NOTHING
    with watching_path(path, watcher) as group:
        act(path)
        assert group.masks() == ([mask | flag] if mask else [])


@pytest.mark.behaviour("META-ATTRIB-LINKS")
@pytest.mark.parametrize(
    ("watcher", "mask"), [("itself", FAN_ATTRIB), ("parent", NOTHING), ("filesystem", FAN_ATTRIB)]
)
@pytest.mark.parametrize("path", ["file"], indirect=True)
def test_number_of_links(path, watcher, mask):
    expected = [mask] if mask else []
    with watching_path(path, watcher) as group:
        os.link(path, path.with_name("link"))
        assert group.masks() == expected
        path.with_name("link").unlink()
        assert group.masks() == expected
