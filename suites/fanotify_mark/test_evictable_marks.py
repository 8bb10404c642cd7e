# SPDX-License-Identifier: GPL-2.0-or-later
"""Evictable marks: they do not hold their inodes in memory, and go with them."""

import os
from errno import EEXIST, ENOENT
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.errors import OK, expect
from helpers.filesystems import FILESYSTEMS
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLOSE,
    FAN_MARK_ADD,
    FAN_MARK_EVICTABLE,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_REMOVE,
    FAN_OPEN,
    Mark,
    Mask,
)
from helpers.waiting import wait_until

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
DENTRIES_AND_INODES = "2"
ON_DISK = [name for name in FILESYSTEMS if name != "tmpfs"]


pytestmark = requires(FAN_MARK_EVICTABLE)


@pytest.fixture
def file(ext4_dir):
    """An empty file."""
    file = ext4_dir / "file"
    file.touch()
    return file


def masks(group):
    """Return the flags and masks of the group's marks."""
    return sorted((Mark(mark.mflags), Mask(mark.mask)) for mark in fdinfo.read_group(group.fd).marks)


@pytest.mark.behaviour("MARK-EVICT-UPGRADE")
def test_made_permanent(group, file):
    expect(OK, group.mark, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, file)
    assert masks(group) == [(FAN_MARK_EVICTABLE, FAN_OPEN)]
    expect(OK, group.mark, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_CLOSE, file)
    assert masks(group) == [(FAN_MARK_EVICTABLE, FAN_OPEN | FAN_CLOSE)]
    expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, file)
    assert masks(group) == [(Mark(0), FAN_OPEN | FAN_CLOSE)]
    expect(EEXIST, group.mark, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, file)


@pytest.mark.behaviour("MARK-EVICT-NEW-ERR-LEAVES")
def test_refusal_changes_nothing(group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    expect(EEXIST, group.mark, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_CLOSE, file)
    assert masks(group) == [(Mark(0), FAN_OPEN)]


def drop_caches():
    """Have the kernel drop what it holds of files in memory, and could have again from the disk."""
    os.sync()
    DROP_CACHES.write_text(DENTRIES_AND_INODES, encoding="ascii")


def expect_dropped(group, left):
    """Drop caches, again and again, until the group has only these marks left."""

    def dropped():
        drop_caches()
        return masks(group) == left

    wait_until(dropped, f"{group} has only {left} left", deadline=10)


@pytest.mark.behaviour("MARK-EVICT-DROPPED")
@pytest.mark.parametrize("filesystem", ON_DISK, indirect=True)
def test_dropped_with_the_inode(filesystem_dir, group):
    evictable, permanent = filesystem_dir / "evictable", filesystem_dir / "permanent"
    for file in (evictable, permanent):
        file.touch()
    group.mark(FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, evictable)
    group.mark(FAN_MARK_ADD, FAN_OPEN, permanent)
    expect_dropped(group, [(Mark(0), FAN_OPEN)])
    expect(ENOENT, group.mark, FAN_MARK_REMOVE, FAN_OPEN, evictable)
    evictable.read_text()
    group.assert_empty()
    permanent.read_text()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-EVICT-DROPPED")
def test_kept_with_an_inode_in_use(file, group):
    (file.parent / "unused").touch()
    with file.open("rb"):
        group.mark(FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, file)
        group.mark(FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_CLOSE, file.parent / "unused")
        expect_dropped(group, [(FAN_MARK_EVICTABLE, FAN_OPEN)])
    expect_dropped(group, [])


@pytest.mark.behaviour("MARK-EVICT-DROPPED")
@pytest.mark.parametrize("filesystem", ["tmpfs"], indirect=True)
def test_kept_where_inodes_are_never_dropped(filesystem_dir, file, group):
    (filesystem_dir / "file").touch()
    group.mark(FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_CLOSE, file)
    group.mark(FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, filesystem_dir / "file")
    expect_dropped(group, [(FAN_MARK_EVICTABLE, FAN_OPEN)])


@pytest.mark.behaviour("MARK-EVICT-DROPPED")
def test_ignore_mask_dropped_with_the_inode(file, group):
    group.mark(FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, file)
    group.mark(
        FAN_MARK_ADD | FAN_MARK_EVICTABLE | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
        FAN_OPEN,
        file,
    )
    file.read_text()
    group.assert_empty()
    expect_dropped(group, [(Mark(0), FAN_OPEN)])
    file.read_text()
    assert group.read_one().mask == FAN_OPEN
