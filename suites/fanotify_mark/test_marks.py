# SPDX-License-Identifier: GPL-2.0-or-later
"""What a mark is: whose events it brings, how its mask grows and shrinks, and how long it stays."""

import os
from errno import EEXIST, ENOENT

import pytest

from helpers import fdinfo
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, require
from helpers.filesystems import MS_BIND, mounted
from helpers.uapi import Init, Mark, Mask

ADD, REMOVE, FLUSH = Mark.ADD, Mark.REMOVE, Mark.FLUSH
KINDS = {
    Mark.INODE: fdinfo.InodeMark,
    Mark.MOUNT: fdinfo.MountMark,
    Mark.FILESYSTEM: fdinfo.FilesystemMark,
}
kinds = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.fixture
def group():
    with FanotifyGroup(Init.NONBLOCK) as group:
        yield group


@pytest.fixture
def file(ext4_dir):
    """A file with content."""
    file = ext4_dir / "file"
    file.write_text("content")
    return file


def marks(group):
    """Return the marks of a group, as procfs shows them."""
    return fdinfo.read_group(group.fd).marks


def masks(group):
    """Return the masks of the group's marks."""
    return {Mask(mark.mask) for mark in marks(group)}


@pytest.mark.behaviour("MARK-ADD")
@kinds
def test_mark_brings_events(kind, group, file):
    group.mark(ADD | kind, Mask.OPEN, file)
    file.read_text()
    assert group.read_one().mask == Mask.OPEN
    assert {type(mark) for mark in marks(group)} == {KINDS[kind]}


@pytest.mark.behaviour("MARK-ADD-CUMULATIVE")
@kinds
def test_masks_add_up(kind, group, file):
    group.mark(ADD | kind, Mask.OPEN, file)
    group.mark(ADD | kind, Mask.ACCESS | Mask.ONDIR, file)
    assert masks(group) == {Mask.OPEN | Mask.ACCESS | Mask.ONDIR}


@pytest.mark.behaviour("MARK-REMOVE-UNMARKED")
@kinds
def test_nothing_to_remove(kind, group, file):
    expect(ENOENT, group.mark, REMOVE | kind, Mask.OPEN, file)


@pytest.mark.behaviour("MARK-REMOVE-UNMARKED")
def test_nothing_of_this_kind_to_remove(group, file):
    group.mark(ADD | Mark.MOUNT, Mask.OPEN, file)
    expect(ENOENT, group.mark, REMOVE, Mask.OPEN, file)
    expect(ENOENT, group.mark, REMOVE | Mark.FILESYSTEM, Mask.OPEN, file)
    expect(OK, group.mark, REMOVE | Mark.MOUNT, Mask.OPEN, file)


@pytest.mark.behaviour("MARK-REMOVE-UNMARKED")
def test_another_group_has_marked(group, file):
    with FanotifyGroup() as other:
        other.mark(ADD, Mask.OPEN, file)
        expect(ENOENT, group.mark, REMOVE, Mask.OPEN, file)


@pytest.mark.behaviour("MARK-REMOVE-OTHER-BIT")
@kinds
def test_bits_are_removed(kind, group, file):
    group.mark(ADD | kind, Mask.OPEN | Mask.CLOSE, file)
    expect(OK, group.mark, REMOVE | kind, Mask.ACCESS, file)
    expect(OK, group.mark, REMOVE | kind, Mask.CLOSE, file)
    assert masks(group) == {Mask.OPEN}
    expect(OK, group.mark, REMOVE | kind, Mask.OPEN, file)
    assert not marks(group)
    expect(ENOENT, group.mark, REMOVE | kind, Mask.OPEN, file)


@pytest.mark.behaviour("MARK-MASK-ONLY-FLAGS")
@pytest.mark.parametrize("flag", [Mask.ONDIR, Mask.EVENT_ON_CHILD], ids=str)
def test_mark_without_events(flag, group, file):
    group.mark(ADD, flag, file.parent)
    assert masks(group) == {flag}
    assert list(file.parent.iterdir()) == [file]
    file.read_text()
    group.assert_empty()


@pytest.mark.behaviour("MARK-FLUSH-KIND")
@kinds
def test_flush_takes_one_kind(kind, group, file):
    for each in KINDS:
        group.mark(ADD | each, Mask.OPEN, file)
    group.mark(ADD, Mask.OPEN, file.parent)
    group.mark(FLUSH | kind, 0)
    assert {type(mark) for mark in marks(group)} == {*KINDS.values()} - {KINDS[kind]}


@pytest.mark.behaviour("MARK-FLUSH-KIND")
def test_flush_takes_mount_namespaces():
    require(Feature.REPORT_MNT)
    with FanotifyGroup(Init.REPORT_MNT) as group:
        group.mark(ADD | Mark.MNTNS, Mask.MNT_ATTACH, "/proc/self/ns/mnt")
        assert len(marks(group)) == 1
        group.mark(FLUSH | Mark.MNTNS, 0)
        assert not marks(group)


@pytest.mark.behaviour("MARK-FLUSH-KIND")
def test_flush_takes_ignore_masks(group, file):
    group.mark(ADD | Mark.IGNORED_MASK, Mask.OPEN, file)
    group.mark(FLUSH, 0)
    assert not marks(group)


@pytest.mark.behaviour("MARK-FLUSH-KIND")
def test_flush_leaves_other_groups_alone(group, file):
    with FanotifyGroup() as other:
        other.mark(ADD, Mask.OPEN, file)
        group.mark(FLUSH, 0)
        assert len(marks(other)) == 1


@pytest.mark.behaviour("MARK-SCOPE")
def test_inode_mark_is_of_all_its_names(group, file):
    group.mark(ADD, Mask.OPEN, file)
    os.link(file, file.with_name("link"))
    file.with_name("link").read_text()
    assert group.read_one().mask == Mask.OPEN


@pytest.mark.behaviour("MARK-SCOPE")
@pytest.mark.parametrize(
    ("kind", "elsewhere"), [(Mark.INODE, 1), (Mark.MOUNT, 0), (Mark.FILESYSTEM, 1)], ids=str
)
def test_mark_and_another_mount(kind, elsewhere, group, file, public_dir):
    with mounted(str(file.parent), public_dir / "bind", "none", MS_BIND) as bound:
        group.mark(ADD | kind, Mask.OPEN, file)
        (bound / "file").read_text()
        assert len(group.read()) == 1 if elsewhere else group.assert_empty() is None
        file.read_text()
        assert len(group.read()) == 1


@pytest.mark.behaviour("MARK-SCOPE")
@pytest.mark.parametrize("kind", [Mark.MOUNT, Mark.FILESYSTEM], ids=str)
def test_any_path_of_the_mount_will_do(kind, group, file):
    group.mark(ADD | kind, Mask.OPEN, file)
    expect(OK, group.mark, REMOVE | kind, Mask.OPEN, file.parent)


@pytest.mark.behaviour("MARK-PRE-ONDIR")
def test_directories_after_pre_content_events(ext4_dir):
    require(Feature.PRE_ACCESS)
    with FanotifyGroup(Init.CLASS_PRE_CONTENT) as group:
        group.mark(ADD, Mask.PRE_ACCESS, ext4_dir)
        expect(EEXIST, group.mark, ADD, Mask.OPEN | Mask.ONDIR, ext4_dir)
        assert masks(group) == {Mask.PRE_ACCESS}


@pytest.mark.behaviour("MARK-PRE-ONDIR")
def test_pre_content_events_after_directories(ext4_dir):
    require(Feature.PRE_ACCESS)
    with FanotifyGroup(Init.CLASS_PRE_CONTENT) as group:
        group.mark(ADD, Mask.OPEN | Mask.ONDIR, ext4_dir)
        expect(EEXIST, group.mark, ADD, Mask.PRE_ACCESS, ext4_dir)
        assert masks(group) == {Mask.OPEN | Mask.ONDIR}
