# SPDX-License-Identifier: GPL-2.0-or-later
"""Events of directories and of what is in them."""

import os

import pytest

from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.handles import name_to_handle
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ATTRIB,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_EVENT_ON_CHILD,
    FAN_MODIFY,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    Init,
)

LISTED = FAN_OPEN | FAN_ACCESS | FAN_CLOSE_NOWRITE
USE = FAN_OPEN | FAN_ACCESS | FAN_CLOSE


def list_directory(path):
    list(path.iterdir())


@pytest.mark.behaviour("META-ONDIR-FDMODE")
def test_no_ondir_beside_a_descriptor(ext4_dir):
    with watching(ext4_dir, USE | FAN_ONDIR) as group:
        list_directory(ext4_dir)
        event = group.read_one()
        assert event.mask == LISTED
        assert os.path.samestat(os.fstat(event.fd), ext4_dir.stat())


@pytest.mark.behaviour("META-ONDIR-FID")
@pytest.mark.parametrize("fids", [FAN_REPORT_FID, FAN_REPORT_DIR_FID, FAN_REPORT_DFID_NAME])
def test_ondir_beside_a_handle(ext4_dir, fids):
    with watching(ext4_dir, USE | FAN_ONDIR, fids) as group:
        list_directory(ext4_dir)
        assert group.read_one().mask == LISTED | FAN_ONDIR


@pytest.mark.behaviour("META-ONDIR-REQUIRED")
@pytest.mark.parametrize("fids", [Init(0), FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
def test_nothing_without_ondir(ext4_dir, fids):
    with watching(ext4_dir, USE, fids | FAN_NONBLOCK) as group:
        list_directory(ext4_dir)
        group.assert_empty()


@pytest.fixture
def tree(ext4_dir):
    """A directory with a file and a subdirectory, which has a file too."""
    (ext4_dir / "sub").mkdir()
    for path in (ext4_dir / "child", ext4_dir / "sub" / "grandchild"):
        path.touch()
    return ext4_dir


@pytest.mark.behaviour("META-CHILD")
@pytest.mark.parametrize("fids", [Init(0), FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
def test_children(tree, fids):
    with watching(tree, FAN_OPEN | FAN_EVENT_ON_CHILD, fids | FAN_NONBLOCK) as group:
        (tree / "child").read_bytes()
        assert group.read_one().mask == FAN_OPEN
        (tree / "sub" / "grandchild").read_bytes()
        group.assert_empty()


@pytest.mark.behaviour("META-CHILD")
def test_subdirectories(tree):
    mask = FAN_OPEN | FAN_EVENT_ON_CHILD | FAN_ONDIR
    with watching(tree, mask, FAN_REPORT_FID) as group:
        list_directory(tree / "sub")
        event = group.read_one()
        assert event.mask == FAN_OPEN | FAN_ONDIR
        assert event.one(FidRecord).handle == name_to_handle(tree / "sub").data


@pytest.mark.behaviour("META-CHILD")
def test_no_children_without_event_on_child(tree):
    with watching(tree, FAN_OPEN | FAN_ONDIR) as group:
        (tree / "child").read_bytes()
        group.assert_empty()


@pytest.mark.behaviour("META-DIR-ITSELF")
def test_entries_do_not_touch_their_directory(ext4_dir):
    with watching(
        ext4_dir, USE | FAN_MODIFY | FAN_ATTRIB | FAN_ONDIR, FAN_NONBLOCK | FAN_REPORT_FID
    ) as group:
        (ext4_dir / "new").touch()
        (ext4_dir / "new").rename(ext4_dir / "renamed")
        (ext4_dir / "renamed").unlink()
        group.assert_empty()
