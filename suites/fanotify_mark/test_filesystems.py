# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be marked on which filesystem: file handles, pre-content events, permission events."""

import os
import socket
from errno import EINVAL, ENODEV, EOPNOTSUPP, EXDEV
from pathlib import Path

import pytest

from helpers.changes import changed_by
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.filesystems import DISK_FILESYSTEMS, mount_point, subvolume
from helpers.fuse import FILES, fuse
from helpers.handles import fsid
from helpers.pidfd import own_pidfd, pidfd_open
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ACCESS_PERM,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOSE,
    FAN_CLOSE_WRITE,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_FLUSH,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    FAN_MODIFY,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_OPEN_EXEC_PERM,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_REPORT_FID,
    PIDFD_THREAD,
    Mask,
)
from suites.fanotify_mark.targets import NO_FSID, WITH_PRE_CONTENT_EVENTS, handles

every_type = pytest.mark.parametrize("mark_type", [FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
every_whole = pytest.mark.parametrize("mark_type", [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
on_disk = pytest.mark.parametrize("filesystem", DISK_FILESYSTEMS, indirect=True)


def on(*filesystems):
    """Run a test on these filesystems."""
    return pytest.mark.parametrize("filesystem", filesystems, indirect=True)


def for_inodes(refusal):
    """Answer OK to marks on inodes, and this refusal to others."""
    return lambda mark_type: OK if mark_type == FAN_MARK_INODE else refusal


@pytest.fixture
def fid_group():
    with FanotifyGroup(FAN_REPORT_FID | FAN_NONBLOCK) as group:
        yield group


@pytest.mark.behaviour("MARK-FID-DISK")
@on(*DISK_FILESYSTEMS)
@every_type
def test_disk(mark_type, filesystem_dir, fid_group):
    expect(OK, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, filesystem_dir)


@pytest.mark.behaviour("MARK-FID-TMPFS")
@on("tmpfs")
@every_type
def test_tmpfs(mark_type, filesystem_dir, fid_group):
    answer = ENODEV if fsid(filesystem_dir) == NO_FSID else OK
    expect(answer, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, filesystem_dir)


@pytest.mark.behaviour("MARK-BTRFS-SUBVOL")
@on("btrfs-subvolume")
@every_type
@changed_by(Feature.WEAK_FSID, before=EXDEV, after=for_inodes(EXDEV))
def test_subvolume(mark_type, filesystem_dir, fid_group, answer):
    assert fsid(filesystem_dir) != fsid(mount_point(filesystem_dir))
    expect(answer, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, filesystem_dir)


@pytest.mark.behaviour("MARK-FID-OVERLAY")
@on("overlay")
@every_type
def test_overlay(mark_type, filesystem_dir, fid_group):
    inode, whole = handles(filesystem_dir, root=mount_point(filesystem_dir))
    assert whole == EOPNOTSUPP
    answer = inode if mark_type == FAN_MARK_INODE else EOPNOTSUPP
    expect(answer, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, filesystem_dir)


@pytest.mark.behaviour("MARK-FID-PROC", "MARK-FID-FSID", "MARK-FID-HANDLE")
@pytest.mark.parametrize("path", ["/proc/self/status", "/proc"])
@every_type
def test_procfs(mark_type, path, fid_group):
    expect_mark(fid_group, mark_type, Path(path))


@pytest.mark.behaviour("MARK-FID-SYSFS", "MARK-FID-FSID", "MARK-FID-HANDLE")
@every_type
def test_sysfs(mark_type, fid_group):
    expect_mark(fid_group, mark_type, Path("/sys"))


def expect_mark(group, mark_type, path):
    """Hold the kernel to what follows from the filesystem's fsid and file handles."""
    inode, whole = handles(path, root=path)
    expect(
        inode if mark_type == FAN_MARK_INODE else whole, group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, path
    )


@pytest.fixture
@requires(fs="fuse")
def no_fsid(public_dir):
    """The root of a filesystem without an fsid."""
    with fuse(public_dir / "fuse") as root:
        assert fsid(root) == NO_FSID
        yield root


@pytest.mark.behaviour("MARK-FID-FSID")
@every_type
@changed_by(Feature.WEAK_FSID, before=ENODEV, after=for_inodes(ENODEV))
def test_no_fsid(mark_type, no_fsid, fid_group, answer):
    expect(answer, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, no_fsid)


@pytest.mark.behaviour("MARK-FID-FSID")
@every_type
def test_no_fsid_and_no_handles(mark_type, no_fsid, group):
    expect(OK, group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, no_fsid)


@pytest.mark.behaviour("MARK-WEAK-FSID-MIX")
@requires(Feature.WEAK_FSID)
def test_one_filesystem_without_fsid(no_fsid, fid_group):
    for path in (no_fsid, no_fsid / FILES[0], no_fsid / FILES[1], no_fsid):
        expect(OK, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, path)
    (no_fsid / FILES[0]).read_bytes()
    assert fid_group.read_one().records[0].fsid == NO_FSID


@pytest.mark.behaviour("MARK-WEAK-FSID-MIX")
@requires(Feature.WEAK_FSID)
@every_type
def test_filesystem_without_fsid_first(mark_type, no_fsid, ext4_dir, fid_group):
    fid_group.mark(FAN_MARK_ADD, FAN_OPEN, no_fsid)
    expect(EXDEV, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, ext4_dir)
    fid_group.mark(FAN_MARK_FLUSH, 0)
    expect(OK, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, ext4_dir)


@pytest.mark.behaviour("MARK-WEAK-FSID-MIX")
@requires(Feature.WEAK_FSID)
@every_type
def test_filesystem_without_fsid_second(mark_type, no_fsid, ext4_dir, fid_group):
    fid_group.mark(FAN_MARK_ADD | mark_type, FAN_OPEN, ext4_dir)
    expect(EXDEV, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, no_fsid)
    fid_group.mark(FAN_MARK_FLUSH | mark_type, 0)
    expect(OK, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, no_fsid)


@pytest.mark.behaviour("MARK-WEAK-FSID-MIX")
@requires(Feature.WEAK_FSID)
def test_two_filesystems_without_fsid(no_fsid, public_dir, fid_group):
    fid_group.mark(FAN_MARK_ADD, FAN_OPEN, no_fsid)
    with fuse(public_dir / "other") as other:
        expect(EXDEV, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, other)


@pytest.mark.behaviour("MARK-WEAK-FSID-MIX", "MARK-BTRFS-SUBVOL")
@requires(Feature.WEAK_FSID)
@on("btrfs")
def test_subvolume_and_its_volume(filesystem_dir, fid_group):
    one, other = subvolume(filesystem_dir / "one"), subvolume(filesystem_dir / "other")
    fid_group.mark(FAN_MARK_ADD, FAN_OPEN, one)
    expect(EXDEV, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, filesystem_dir)
    expect(EXDEV, fid_group.mark, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, filesystem_dir)
    expect(EXDEV, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, other)
    (one / "file").touch()
    expect(OK, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, one / "file")


@pytest.mark.behaviour("MARK-FID-DISK")
@on("xfs", "btrfs")
@every_type
def test_two_filesystems(mark_type, ext4_dir, filesystem_dir, fid_group):
    expect(OK, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, ext4_dir)
    expect(OK, fid_group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, filesystem_dir)


@pytest.mark.behaviour("MARK-PRE-FS")
@requires(FAN_PRE_ACCESS)
@every_type
def test_pre_content_events(mark_type, filesystem, filesystem_dir):
    answer = OK if filesystem in WITH_PRE_CONTENT_EVENTS else EOPNOTSUPP
    with FanotifyGroup(FAN_CLASS_PRE_CONTENT) as group:
        expect(answer, group.mark, FAN_MARK_ADD | mark_type, FAN_PRE_ACCESS, filesystem_dir)


@pytest.mark.behaviour("MARK-PRE-OBJECT")
@requires(FAN_PRE_ACCESS)
def test_pre_content_events_of_what_has_no_content(ext4_dir):
    os.mkfifo(ext4_dir / "fifo")
    with FanotifyGroup(FAN_CLASS_PRE_CONTENT) as group:
        expect(EINVAL, group.mark, FAN_MARK_ADD, FAN_PRE_ACCESS, ext4_dir / "fifo")
        expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN_PERM, ext4_dir / "fifo")


@pytest.mark.behaviour("MARK-PERM-FS")
@requires(Feature.PERMISSION_EVENTS)
@every_type
def test_permission_events(mark_type, filesystem_dir):
    with FanotifyGroup(FAN_CLASS_CONTENT) as group:
        expect(OK, group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN_PERM, filesystem_dir)


@pytest.mark.behaviour("MARK-PERM-PROC")
@requires(Feature.PERMISSION_EVENTS)
@pytest.mark.parametrize("path", ["/proc/self/status", "/proc/self", "/proc"])
@every_type
def test_permission_events_of_procfs(mark_type, path, group):
    with FanotifyGroup(FAN_CLASS_CONTENT) as content:
        for event in (FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM):
            expect(EINVAL, content.mark, FAN_MARK_ADD | mark_type, event, path)
            expect(EINVAL, content.mark, FAN_MARK_ADD | mark_type, FAN_OPEN | event, path)
    expect(OK, group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, path)


@pytest.fixture(params=["pipe", "socket", "pidfd"])
def unnamed(request):
    """A descriptor of an object of one of the kernel's own filesystems."""
    with own_pidfd() as pidfd, socket.socket() as unconnected:
        reader, writer = os.pipe()
        yield {"pipe": reader, "socket": unconnected.fileno(), "pidfd": pidfd}[request.param]
        os.close(reader)
        os.close(writer)


@pytest.mark.behaviour("MARK-PSEUDO-MOUNT")
@every_whole
def test_the_kernels_own_filesystems(mark_type, unnamed, group):
    expect(EINVAL, group.mark, FAN_MARK_ADD | mark_type, FAN_OPEN, None, unnamed)


@pytest.mark.behaviour("MARK-PIPE-INODE")
def test_object_of_the_kernels_own_filesystems(unnamed, group, fid_group):
    expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, None, unnamed)
    answer, _ = handles(path := Path(f"/proc/self/fd/{unnamed}"), root=path)
    expect(answer, fid_group.mark, FAN_MARK_ADD, FAN_OPEN, None, unnamed)


@pytest.mark.behaviour("MARK-PIPE-INODE")
def test_pipe_brings_no_events(group):
    reader, writer = os.pipe()
    group.mark(FAN_MARK_ADD, FAN_MODIFY | FAN_ACCESS | FAN_CLOSE, None, reader)
    os.write(writer, b"x")
    os.read(reader, 1)
    os.close(writer)
    os.close(reader)
    group.assert_empty()


@pytest.mark.behaviour("MARK-PIDFD-INODE")
# pidfs, where each process has an inode, is of the same release, 6.9.
@changed_by(PIDFD_THREAD, before=Mask(0), after=FAN_OPEN | FAN_CLOSE_WRITE)
def test_pidfd(group, answer):
    with own_pidfd() as marked:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE, None, marked)
        os.close(pidfd_open(os.getpid()))
        if answer:
            assert group.read_one().mask == answer
        group.assert_empty()
