# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/fdinfo says of the marks of a group."""

import os
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.errors import OK, outcome
from helpers.fanotify import FanotifyGroup
from helpers.filesystems import MS_BIND, device_number, mount_id, mounted
from helpers.handles import FileHandle, name_to_handle
from helpers.requirements import requires
from helpers.uapi import (
    AT_HANDLE_FID,
    FAN_ACCESS,
    FAN_CLOSE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_DONT_FOLLOW,
    FAN_MARK_EVICTABLE,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_IGNORE,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MNT_ATTACH,
    FAN_MODIFY,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_EXEC,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    Mark,
    Mask,
)

EVENTS = FAN_OPEN | FAN_CLOSE
FILEID_INO32_GEN = 1


def only_mark(group):
    """Return the group's only mark."""
    (mark,) = fdinfo.read_group(group.fd).marks
    return mark


def shown(flags, path, mask=EVENTS, group_flags=0):
    """Return what is shown of the mark that a new group puts on an object."""
    with FanotifyGroup(group_flags) as group:
        group.mark(FAN_MARK_ADD | flags, mask, path)
        return only_mark(group)


def filesystem_device(path):
    """Return the number of a filesystem as it is inside the kernel."""
    return fdinfo.kernel_device(*device_number(path))


@pytest.mark.behaviour("FDI-MARK-INODE", "FDI-MARK-SDEV")
@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["file", "directory"])
def test_inode(make, filesystem_dir):
    make(path := filesystem_dir / "object")
    mark = shown(FAN_MARK_INODE, path)
    assert isinstance(mark, fdinfo.InodeMark)
    assert (mark.ino, mark.sdev) == (path.stat().st_ino, filesystem_device(path))
    assert (Mark(mark.mflags), Mask(mark.mask), Mask(mark.ignored_mask)) == (Mark(0), EVENTS, Mask(0))


@pytest.mark.behaviour("FDI-MARK-HANDLE")
def test_file_handle(filesystem_dir):
    (path := filesystem_dir / "object").touch()
    mark = shown(FAN_MARK_INODE, path)
    handle = FileHandle(mark.handle_type, mark.handle)
    if outcome(name_to_handle, path) == OK:
        assert handle == name_to_handle(path)
    elif outcome(name_to_handle, path, AT_HANDLE_FID) == OK:
        assert handle == name_to_handle(path, AT_HANDLE_FID)
    else:
        assert handle.type == FILEID_INO32_GEN
        assert int.from_bytes(handle.data[:4], "little") == path.stat().st_ino


@pytest.mark.behaviour("FDI-MARK-SDEV")
def test_device_is_not_encoded_for_users(ext4_dir):
    device = ext4_dir.stat().st_dev
    assert shown(FAN_MARK_INODE, ext4_dir).sdev == os.major(device) << 20 | os.minor(device)


@pytest.mark.behaviour("FDI-MARK-MOUNT")
def test_mount(filesystem_dir):
    assert shown(FAN_MARK_MOUNT, filesystem_dir) == fdinfo.MountMark(
        0, EVENTS, 0, mnt_id=mount_id(filesystem_dir)
    )


@pytest.mark.behaviour("FDI-MARK-MOUNT")
def test_two_mounts_of_a_filesystem(ext4_dir, public_dir):
    with mounted(str(ext4_dir), public_dir / "bind", "none", MS_BIND) as bind, FanotifyGroup() as group:
        for path in (ext4_dir, bind):
            group.mark(FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, path)
        numbers = {mark.mnt_id for mark in fdinfo.read_group(group.fd).marks}
        assert numbers == {mount_id(ext4_dir), mount_id(bind)}


@pytest.mark.behaviour("FDI-MARK-SB", "FDI-MARK-SDEV")
def test_filesystem(filesystem_dir):
    device = filesystem_device(filesystem_dir)
    assert shown(FAN_MARK_FILESYSTEM, filesystem_dir) == fdinfo.FilesystemMark(0, EVENTS, 0, sdev=device)


@pytest.mark.behaviour("FDI-MARK-MNTNS")
@requires(FAN_REPORT_MNT)
def test_mount_namespace():
    namespace = Path("/proc/self/ns/mnt")
    mark = shown(FAN_MARK_MNTNS, namespace, FAN_MNT_ATTACH, FAN_REPORT_MNT)
    assert mark == fdinfo.MountNamespaceMark(0, FAN_MNT_ATTACH, 0, mnt_ns=namespace.stat().st_ino)


MFLAGS = [
    (Mark(0), Mark(0)),
    (FAN_MARK_DONT_FOLLOW, Mark(0)),
    (FAN_MARK_IGNORED_MASK, Mark(0)),
    (FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_MARK_IGNORED_SURV_MODIFY),
    (FAN_MARK_EVICTABLE, FAN_MARK_EVICTABLE),
    (FAN_MARK_IGNORE, FAN_MARK_IGNORE),
    (FAN_MARK_IGNORE_SURV, FAN_MARK_IGNORE_SURV),
    (FAN_MARK_EVICTABLE | FAN_MARK_IGNORE_SURV, FAN_MARK_EVICTABLE | FAN_MARK_IGNORE_SURV),
]


@pytest.mark.behaviour("FDI-MARK-MFLAGS")
@pytest.mark.parametrize(("flags", "mflags"), MFLAGS, ids=[str(flags) for flags, _ in MFLAGS])
@requires(lambda flags: flags)
def test_flags_of_a_mark(flags, mflags, ext4_dir):
    (ext4_dir / "file").touch()
    assert Mark(shown(flags, ext4_dir / "file").mflags) == mflags


@pytest.mark.behaviour("FDI-MARK-IGNORED")
def test_ignore_mask(ext4_dir):
    with FanotifyGroup() as group:
        group.mark(FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_ACCESS, ext4_dir)
        mark = only_mark(group)
        assert (Mask(mark.mask), Mask(mark.ignored_mask)) == (Mask(0), FAN_ACCESS)
        group.mark(FAN_MARK_ADD, FAN_OPEN, ext4_dir)
        mark = only_mark(group)
        assert (Mask(mark.mask), Mask(mark.ignored_mask)) == (FAN_OPEN, FAN_ACCESS)


@pytest.mark.behaviour("FDI-MARK-MASK-INTERNAL")
@pytest.mark.parametrize(
    ("mark_type", "name", "added"),
    [
        (FAN_MARK_INODE, "file", FAN_EVENT_ON_CHILD),
        (FAN_MARK_MOUNT, "file", FAN_EVENT_ON_CHILD),
        (FAN_MARK_FILESYSTEM, "file", FAN_EVENT_ON_CHILD),
        (FAN_MARK_MOUNT, "directory", FAN_EVENT_ON_CHILD),
        (FAN_MARK_FILESYSTEM, "directory", FAN_EVENT_ON_CHILD),
        (FAN_MARK_INODE, "directory", Mask(0)),
    ],
)
def test_bit_that_nobody_set(mark_type, name, added, ext4_dir):
    (ext4_dir / "file").touch()
    (ext4_dir / "directory").mkdir()
    mark = shown(mark_type, ext4_dir / name, FAN_OPEN, FAN_REPORT_DIR_FID)
    assert Mask(mark.mask) == FAN_OPEN | added
    assert Mask(shown(mark_type, ext4_dir / name, FAN_OPEN, FAN_REPORT_FID).mask) == FAN_OPEN


@pytest.mark.behaviour("FDI-MARK-MASK")
def test_every_bit_of_the_mask(ext4_dir):
    asked = FAN_ACCESS | FAN_MODIFY | FAN_CLOSE | FAN_OPEN | FAN_OPEN_EXEC | FAN_ONDIR | FAN_EVENT_ON_CHILD
    assert Mask(shown(FAN_MARK_INODE, ext4_dir, asked).mask) == asked


@pytest.mark.behaviour("FDI-MARK-ORDER")
def test_all_marks_are_shown(ext4_dir):
    files = [ext4_dir / str(number) for number in range(100)]
    with FanotifyGroup() as group:
        for file in files:
            file.touch()
            group.mark(FAN_MARK_ADD, FAN_OPEN, file)
        group.mark(FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, ext4_dir)
        group.mark(FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, ext4_dir)
        marks = fdinfo.read_group(group.fd).marks
    inodes = {mark.ino for mark in marks if isinstance(mark, fdinfo.InodeMark)}
    assert inodes == {file.stat().st_ino for file in files}
    assert len(marks) == len(files) + 2
