# SPDX-License-Identifier: GPL-2.0-or-later
"""Overlayfs: what the watchers of an overlay hear, and those of the filesystem that its layers lie on."""

from errno import EPERM
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.errors import expect
from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.filesystems import mounted
from helpers.permission import requesting
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_CLOSE_WRITE,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DENY,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    FAN_MODIFY,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID,
    Init,
    Mask,
)

USE = FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE
READ, WRITTEN = FAN_OPEN | FAN_ACCESS | FAN_CLOSE_NOWRITE, FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE
MARKS = {
    "file": (FAN_MARK_INODE, "file", Mask(0)),
    "directory": (FAN_MARK_INODE, ".", FAN_EVENT_ON_CHILD),
    "filesystem": (FAN_MARK_FILESYSTEM, ".", Mask(0)),
}
"""Where a mark is put: its type, the name of the object beside the file, and the flag that it needs."""
EACH_LAYER = pytest.mark.parametrize("layer", ["lower", "upper"])


@pytest.fixture
def overlay(ext4_dir, public_dir):
    """An overlay, `top`, with a file of each layer: top/lower/file lies in lower/lower/file on ext4."""
    for layer in ("lower", "upper"):
        (ext4_dir / layer / layer).mkdir(parents=True)
        (ext4_dir / layer / layer / "file").write_text("content")
    (ext4_dir / "work").mkdir()
    layers = {f"{name}dir": ext4_dir / name for name in ("lower", "upper", "work")}
    options = ",".join(f"{name}={path}" for name, path in layers.items())
    with mounted("fapitest", public_dir / "top", "overlay", data=options) as top:
        yield SimpleNamespace(top=top, lower=ext4_dir / "lower", upper=ext4_dir / "upper")


def watching_place(directory, place, mask, flags):
    kind, name, flag = MARKS[place]
    return watching(directory / name, mask | flag, flags, mark=kind)


def append(path):
    with path.open("a") as file:
        file.write("more")


@pytest.mark.behaviour("META-OVERLAY-ONCE")
@pytest.mark.parametrize("place", MARKS)
@EACH_LAYER
def test_event_of_the_overlay(overlay, layer, place):
    path = overlay.top / layer / "file"
    with watching_place(path.parent, place, USE, FAN_NONBLOCK) as group:
        path.read_text()
        event = group.read_one()
        assert event.mask == READ
        assert Path(f"/proc/self/fd/{event.fd}").readlink() == path


@pytest.mark.behaviour("META-OVERLAY-ONCE")
@pytest.mark.parametrize("answer", [FAN_ALLOW, FAN_DENY])
@pytest.mark.parametrize("place", MARKS)
@EACH_LAYER
@requires(FAN_OPEN_PERM)
def test_permission_is_asked_for_once(overlay, layer, place, answer):
    path = overlay.top / layer / "file"
    with (
        watching_place(path.parent, place, FAN_OPEN_PERM, FAN_CLASS_CONTENT | FAN_NONBLOCK) as group,
        requesting(group, path.read_text) as requester,
    ):
        group.respond(requester.event.fd, answer)
        if answer == FAN_DENY:
            expect(EPERM, requester.finish)
        else:
            assert requester.finish() == "content"
        group.assert_empty()


def read(path):
    path.read_text()


@pytest.mark.behaviour("META-OVERLAY-LAYERS")
@pytest.mark.parametrize("report", [Init(0), FAN_REPORT_FID])
@pytest.mark.parametrize("place", MARKS)
@pytest.mark.parametrize(
    ("layer", "act", "mask"), [("lower", read, READ), ("upper", read, READ), ("upper", append, WRITTEN)]
)
def test_file_below_the_overlay(overlay, layer, act, mask, place, report):
    with watching_place(getattr(overlay, layer) / layer, place, USE, FAN_NONBLOCK | report) as group:
        act(overlay.top / layer / "file")
        assert group.masks() == [mask]


@pytest.mark.behaviour("META-OVERLAY-MOUNT")
@EACH_LAYER
def test_mount_below_the_overlay(overlay, layer):
    with watching(overlay.lower, USE | FAN_ONDIR, mark=FAN_MARK_MOUNT) as group:
        (overlay.top / layer / "file").read_text()
        group.assert_empty()


def create(directory):
    (directory / "new").touch()


def make_directory(directory):
    (directory / "new").mkdir()


def rename(directory):
    (directory / "file").rename(directory / "new")


def remove(directory):
    (directory / "file").unlink()


@pytest.mark.behaviour("META-OVERLAY-ENTRIES")
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (create, [(FAN_CREATE, b"new")]),
        (make_directory, [(FAN_CREATE | FAN_ONDIR, b"new")]),
        (rename, [(FAN_MOVED_FROM, b"file"), (FAN_MOVED_TO, b"new")]),
        (remove, [(FAN_DELETE, b"file")]),
    ],
)
def test_entry_below_the_overlay(overlay, act, expected):
    mask = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ONDIR
    with watching(overlay.upper / "upper", mask, FAN_NONBLOCK | FAN_REPORT_DFID_NAME) as group:
        act(overlay.top / "upper")
        found = [(event.mask, event.one(FidRecord).name) for event in group.wait().read()]
        assert found == expected
