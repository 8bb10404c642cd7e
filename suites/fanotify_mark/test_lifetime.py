# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a mark stays: as long as the object, whatever its name, and no longer."""

import os

import pytest

from helpers import fdinfo, filesystems
from helpers.children import in_child
from helpers.fanotify import FanotifyGroup
from helpers.filesystems import MS_BIND, MS_MOVE, mount, mounted
from helpers.namespaces import own_mounts
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLOSE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    FAN_ONDIR,
    FAN_OPEN,
)
from helpers.waiting import wait_until


@pytest.fixture
def file(filesystem_dir):
    """A file with content, on each filesystem."""
    file = filesystem_dir / "file"
    file.write_text("content")
    return file


def marks(group):
    """Return the marks of a group, as procfs shows them."""
    return fdinfo.read_group(group.fd).marks


def expect_no_mark(group):
    """Wait until the group has no mark any more: the last reference to an object may go a little later."""
    wait_until(lambda: not marks(group), f"{group} has no mark any more")


@pytest.mark.behaviour("MARK-KEPT-RENAMED")
def test_renamed(group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    renamed = file.rename(file.with_name("renamed"))
    renamed.read_text()
    assert group.read_one().mask == FAN_OPEN
    (file.parent / "directory").mkdir()
    renamed.rename(file.parent / "directory" / "moved").read_text()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-KEPT-RENAMED")
def test_directory_renamed(group, file):
    (file.parent / "directory").mkdir()
    group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, file.parent / "directory")
    renamed = (file.parent / "directory").rename(file.parent / "renamed")
    (renamed / "child").touch()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-KEPT-RENAMED")
def test_replaced(group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    file.with_name("new").write_text("content")
    file.with_name("new").rename(file)
    file.read_text()
    group.assert_empty()
    expect_no_mark(group)


@pytest.mark.behaviour("MARK-GONE-DELETED", "FDI-MARK-GONE")
def test_deleted(group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    file.unlink()
    expect_no_mark(group)


@pytest.mark.behaviour("MARK-GONE-DELETED", "FDI-MARK-GONE")
def test_directory_deleted(group, file):
    (file.parent / "directory").mkdir()
    group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, file.parent / "directory")
    (file.parent / "directory").rmdir()
    expect_no_mark(group)


@pytest.mark.behaviour("MARK-GONE-DELETED", "FDI-MARK-GONE")
def test_deleted_by_one_of_its_names(group, file):
    os.link(file, file.with_name("link"))
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    file.unlink()
    file.with_name("link").read_text()
    assert group.read_one().mask == FAN_OPEN
    assert len(marks(group)) == 1


@pytest.mark.behaviour("MARK-GONE-DELETED", "FDI-MARK-GONE")
def test_deleted_while_open(group, file):
    with file.open("rb"):
        group.mark(FAN_MARK_ADD, FAN_CLOSE, file)
        file.unlink()
        assert len(marks(group)) == 1
    close(group, group.read_one())
    expect_no_mark(group)


@pytest.mark.behaviour("MARK-GONE-UNMOUNTED", "FDI-MARK-GONE")
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("mark_type", [FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
@requires(fs=lambda kind: kind)
def test_filesystem_unmounted(kind, mark_type, group, public_dir):
    with new_filesystem(kind, public_dir) as root:
        (root / "file").touch()
        group.mark(FAN_MARK_ADD | mark_type, FAN_OPEN, root / "file")
        assert len(marks(group)) == 1
    expect_no_mark(group)


def new_filesystem(kind, directory):
    """Mount a filesystem that nobody else uses."""
    return filesystems.disk(directory, kind) if kind != "tmpfs" else mounted(kind, directory / kind, kind)


@pytest.mark.behaviour("MARK-GONE-UNMOUNTED", "FDI-MARK-GONE")
def test_one_mount_of_two_unmounted(group, ext4_dir, public_dir):
    with mounted(str(ext4_dir), public_dir / "bind", "none", MS_BIND) as bind:
        for mark_type in (FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM):
            group.mark(FAN_MARK_ADD | mark_type, FAN_OPEN, bind)
    wait_until(lambda: len(marks(group)) < 3, "a mark goes with the mount")
    assert {type(mark) for mark in marks(group)} == {fdinfo.FilesystemMark, fdinfo.InodeMark}


@pytest.mark.behaviour("MARK-GONE-UNMOUNTED", "FDI-MARK-GONE")
@pytest.mark.parametrize("mark_type", [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
def test_unmounted_while_in_use(mark_type, group, public_dir):
    with mounted("tmpfs", public_dir / "tmpfs", "tmpfs") as root:
        opened = (root / "file").open("w")
        group.mark(FAN_MARK_ADD | mark_type, FAN_CLOSE, root)
    assert len(marks(group)) == 1
    opened.close()
    close(group, group.read_one())
    expect_no_mark(group)


def close(group, event):
    """Close what came with an event: it keeps the object, and the mount, in use."""
    os.close(group.disown(event.fd))


@pytest.mark.behaviour("MARK-KEPT-MOVED")
def test_mount_moved(group, ext4_dir, public_dir):
    def call():
        mount(str(ext4_dir), public_dir, "none", MS_BIND)
        group.mark(FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, public_dir)
        mount(str(public_dir), ext4_dir, "none", MS_MOVE)
        (ext4_dir / "file").touch()
        return group.read_one().mask

    assert in_child(call, own_mounts) == FAN_OPEN


@pytest.mark.behaviour("MARK-GONE-GROUP")
def test_group_closed(group, file):
    with FanotifyGroup() as other:
        other.mark(FAN_MARK_ADD, FAN_OPEN, file)
        group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    file.read_text()
    assert group.read_one().mask == FAN_OPEN
    assert len(marks(group)) == 1
