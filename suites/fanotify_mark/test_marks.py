# SPDX-License-Identifier: GPL-2.0-or-later
"""What a mark is: whose events it brings, how its mask grows and shrinks, and how long it stays."""

import os
from errno import EEXIST, ENOENT

import pytest

from helpers import fdinfo
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.filesystems import MS_BIND, mounted
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOSE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_FLUSH,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MARK_REMOVE,
    FAN_MNT_ATTACH,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_PRE_ACCESS,
    FAN_REPORT_MNT,
    Mask,
)

KINDS = {
    FAN_MARK_INODE: fdinfo.InodeMark,
    FAN_MARK_MOUNT: fdinfo.MountMark,
    FAN_MARK_FILESYSTEM: fdinfo.FilesystemMark,
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def file(ext4_file):
    """A file with content."""
    return ext4_file


def marks(group):
    """Return the marks of a group, as procfs shows them."""
    return fdinfo.read_group(group.fd).marks


def masks(group):
    """Return the masks of the group's marks."""
    return {Mask(mark.mask) for mark in marks(group)}


@pytest.mark.behaviour("MARK-ADD")
@kinds
def test_mark_brings_events(kind, group, file):
    group.mark(FAN_MARK_ADD | kind, FAN_OPEN, file)
    file.read_text()
    assert group.read_one().mask == FAN_OPEN
    assert {type(mark) for mark in marks(group)} == {KINDS[kind]}


@pytest.mark.behaviour("MARK-ADD-CUMULATIVE")
@kinds
def test_masks_add_up(kind, group, file):
    group.mark(FAN_MARK_ADD | kind, FAN_OPEN, file)
    group.mark(FAN_MARK_ADD | kind, FAN_ACCESS | FAN_ONDIR, file)
    assert masks(group) == {FAN_OPEN | FAN_ACCESS | FAN_ONDIR}


@pytest.mark.behaviour("MARK-REMOVE-UNMARKED")
@kinds
def test_nothing_to_remove(kind, group, file):
    expect(ENOENT, group.mark, FAN_MARK_REMOVE | kind, FAN_OPEN, file)


@pytest.mark.behaviour("MARK-REMOVE-UNMARKED")
def test_nothing_of_this_kind_to_remove(group, file):
    group.mark(FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, file)
    expect(ENOENT, group.mark, FAN_MARK_REMOVE, FAN_OPEN, file)
    expect(ENOENT, group.mark, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, FAN_OPEN, file)
    expect(OK, group.mark, FAN_MARK_REMOVE | FAN_MARK_MOUNT, FAN_OPEN, file)


@pytest.mark.behaviour("MARK-REMOVE-UNMARKED")
def test_another_group_has_marked(group, file):
    with FanotifyGroup() as other:
        other.mark(FAN_MARK_ADD, FAN_OPEN, file)
        expect(ENOENT, group.mark, FAN_MARK_REMOVE, FAN_OPEN, file)


@pytest.mark.behaviour("MARK-REMOVE-OTHER-BIT")
@kinds
def test_bits_are_removed(kind, group, file):
    group.mark(FAN_MARK_ADD | kind, FAN_OPEN | FAN_CLOSE, file)
    expect(OK, group.mark, FAN_MARK_REMOVE | kind, FAN_ACCESS, file)
    expect(OK, group.mark, FAN_MARK_REMOVE | kind, FAN_CLOSE, file)
    assert masks(group) == {FAN_OPEN}
    expect(OK, group.mark, FAN_MARK_REMOVE | kind, FAN_OPEN, file)
    assert not marks(group)
    expect(ENOENT, group.mark, FAN_MARK_REMOVE | kind, FAN_OPEN, file)


@pytest.mark.behaviour("MARK-MASK-ONLY-FLAGS")
@pytest.mark.parametrize("flag", [FAN_ONDIR, FAN_EVENT_ON_CHILD])
def test_mark_without_events(flag, group, file):
    group.mark(FAN_MARK_ADD, flag, file.parent)
    assert masks(group) == {flag}
    assert list(file.parent.iterdir()) == [file]
    file.read_text()
    group.assert_empty()


@pytest.mark.behaviour("MARK-FLUSH-KIND")
@kinds
def test_flush_takes_one_kind(kind, group, file):
    for each in KINDS:
        group.mark(FAN_MARK_ADD | each, FAN_OPEN, file)
    group.mark(FAN_MARK_ADD, FAN_OPEN, file.parent)
    group.mark(FAN_MARK_FLUSH | kind, 0)
    assert {type(mark) for mark in marks(group)} == {*KINDS.values()} - {KINDS[kind]}


@pytest.mark.behaviour("MARK-FLUSH-KIND")
@requires(FAN_REPORT_MNT)
def test_flush_takes_mount_namespaces():
    with FanotifyGroup(FAN_REPORT_MNT) as group:
        group.mark(FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, "/proc/self/ns/mnt")
        assert len(marks(group)) == 1
        group.mark(FAN_MARK_FLUSH | FAN_MARK_MNTNS, 0)
        assert not marks(group)


@pytest.mark.behaviour("MARK-FLUSH-KIND")
def test_flush_takes_ignore_masks(group, file):
    group.mark(FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, file)
    group.mark(FAN_MARK_FLUSH, 0)
    assert not marks(group)


@pytest.mark.behaviour("MARK-FLUSH-KIND")
def test_flush_leaves_other_groups_alone(group, file):
    with FanotifyGroup() as other:
        other.mark(FAN_MARK_ADD, FAN_OPEN, file)
        group.mark(FAN_MARK_FLUSH, 0)
        assert len(marks(other)) == 1


@pytest.mark.behaviour("MARK-SCOPE")
def test_inode_mark_is_of_all_its_names(group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    os.link(file, file.with_name("link"))
    file.with_name("link").read_text()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-SCOPE")
@pytest.mark.parametrize(
    ("kind", "elsewhere"), [(FAN_MARK_INODE, 1), (FAN_MARK_MOUNT, 0), (FAN_MARK_FILESYSTEM, 1)]
)
def test_mark_and_another_mount(kind, elsewhere, group, file, public_dir):
    with mounted(str(file.parent), public_dir / "bind", "none", MS_BIND) as bound:
        group.mark(FAN_MARK_ADD | kind, FAN_OPEN, file)
        (bound / "file").read_text()
        assert len(group.read()) == 1 if elsewhere else group.assert_empty() is None
        file.read_text()
        assert len(group.read()) == 1


@pytest.mark.behaviour("MARK-SCOPE")
@pytest.mark.parametrize("kind", [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
def test_any_path_of_the_mount_will_do(kind, group, file):
    group.mark(FAN_MARK_ADD | kind, FAN_OPEN, file)
    expect(OK, group.mark, FAN_MARK_REMOVE | kind, FAN_OPEN, file.parent)


@pytest.mark.behaviour("MARK-PRE-ONDIR")
@requires(FAN_PRE_ACCESS)
def test_directories_after_pre_content_events(ext4_dir):
    with FanotifyGroup(FAN_CLASS_PRE_CONTENT) as group:
        group.mark(FAN_MARK_ADD, FAN_PRE_ACCESS, ext4_dir)
        expect(EEXIST, group.mark, FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, ext4_dir)
        assert masks(group) == {FAN_PRE_ACCESS}


@pytest.mark.behaviour("MARK-PRE-ONDIR")
@requires(FAN_PRE_ACCESS)
def test_pre_content_events_after_directories(ext4_dir):
    with FanotifyGroup(FAN_CLASS_PRE_CONTENT) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, ext4_dir)
        expect(EEXIST, group.mark, FAN_MARK_ADD, FAN_PRE_ACCESS, ext4_dir)
        assert masks(group) == {FAN_OPEN | FAN_ONDIR}
