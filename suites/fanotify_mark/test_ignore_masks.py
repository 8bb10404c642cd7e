# SPDX-License-Identifier: GPL-2.0-or-later
"""Ignore masks: what they keep away, when they vanish, and which may follow which."""

from errno import EEXIST, EINVAL, EISDIR, ENOENT

import pytest

from helpers import fdinfo
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_CREATE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_IGNORE,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    FAN_MARK_REMOVE,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    Mask,
)

LEGACY_SURV = FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY


def kinds(*ignores):
    """Run a test with each of these kinds of ignore mask that the kernel knows."""
    return pytest.mark.parametrize("ignore", ignores, indirect=True)


@pytest.fixture
@requires(lambda ignore: ignore)
def ignore(request):
    """The flags of an ignore mask."""
    return request.param


@pytest.fixture
def file(filesystem_dir):
    """A file with content, on each filesystem."""
    file = filesystem_dir / "file"
    file.write_text("content")
    return file


def marks(group):
    """Return the masks and the ignore masks of the group's marks."""
    return {(Mask(mark.mask), Mask(mark.ignored_mask)) for mark in fdinfo.read_group(group.fd).marks}


def write(file):
    with file.open("a") as opened:
        opened.write("more")


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(FAN_MARK_IGNORED_MASK, LEGACY_SURV, FAN_MARK_IGNORE, FAN_MARK_IGNORE_SURV)
def test_ignored_events(ignore, group, ext4_file):
    group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE_NOWRITE, ext4_file)
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, ext4_file)
    ext4_file.read_text()
    assert group.read_one().mask == FAN_CLOSE_NOWRITE


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
@pytest.mark.parametrize("wide", [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
def test_file_ignored_in_a_watched_filesystem(ignore, wide, group, ext4_file):
    group.mark(FAN_MARK_ADD | wide, FAN_OPEN, ext4_file)
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, ext4_file)
    ext4_file.read_text()
    group.assert_empty()
    ext4_file.with_name("other").touch()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
@pytest.mark.parametrize("wide", [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
def test_watched_file_in_an_ignored_filesystem(ignore, wide, group, ext4_file):
    group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE_NOWRITE, ext4_file)
    group.mark(FAN_MARK_ADD | wide | ignore, FAN_OPEN, ext4_file)
    ext4_file.read_text()
    assert group.read_one().mask == FAN_CLOSE_NOWRITE


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
def test_other_groups_do_not_ignore(ignore, group, ext4_file):
    with FanotifyGroup() as other:
        other.mark(FAN_MARK_ADD | ignore, FAN_OPEN, ext4_file)
        group.mark(FAN_MARK_ADD, FAN_OPEN, ext4_file)
        ext4_file.read_text()
        assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
def test_removed(ignore, group, ext4_file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, ext4_file)
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, ext4_file)
    group.mark(FAN_MARK_REMOVE | ignore, FAN_OPEN, ext4_file)
    ext4_file.read_text()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-IGN-SEPARATE")
@kinds(FAN_MARK_IGNORED_MASK, LEGACY_SURV, FAN_MARK_IGNORE, FAN_MARK_IGNORE_SURV)
def test_masks_are_separate(ignore, group, ext4_file):
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, ext4_file)
    group.mark(FAN_MARK_ADD, FAN_CLOSE, ext4_file)
    assert marks(group) == {(FAN_CLOSE, FAN_OPEN)}
    group.mark(FAN_MARK_REMOVE, FAN_OPEN, ext4_file)
    assert marks(group) == {(FAN_CLOSE, FAN_OPEN)}
    group.mark(FAN_MARK_REMOVE, FAN_CLOSE, ext4_file)
    assert marks(group) == {(Mask(0), FAN_OPEN)}
    group.mark(FAN_MARK_REMOVE | ignore, FAN_OPEN, ext4_file)
    assert not marks(group)


@pytest.mark.behaviour("MARK-IGN-CLEAR-ON-MODIFY")
@kinds(FAN_MARK_IGNORED_MASK, FAN_MARK_IGNORE)
def test_dropped_when_modified(ignore, group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, file)
    write(file)
    group.assert_empty()
    file.read_text()
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-IGN-SURV")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
def test_kept_when_modified(ignore, group, file):
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, file)
    write(file)
    file.read_text()
    group.assert_empty()


@pytest.mark.behaviour("MARK-IGN-SURV")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
def test_cannot_be_made_mortal_by_removal(ignore, group, ext4_file):
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN | FAN_ACCESS, ext4_file)
    group.mark(FAN_MARK_REMOVE | ignore, FAN_ACCESS, ext4_file)
    assert {mark.mflags & FAN_MARK_IGNORED_SURV_MODIFY for mark in fdinfo.read_group(group.fd).marks} == {
        FAN_MARK_IGNORED_SURV_MODIFY
    }


@pytest.mark.behaviour("MARK-IGN-WRITER")
@kinds(FAN_MARK_IGNORED_MASK, FAN_MARK_IGNORE)
def test_open_for_writing(ignore, group, file):
    group.mark(FAN_MARK_ADD, FAN_CLOSE, file)
    with file.open("a"):
        expect(OK, group.mark, FAN_MARK_ADD | ignore, FAN_OPEN, file)
        assert marks(group) == {(FAN_CLOSE, Mask(0))}
    group.mark(FAN_MARK_ADD | ignore, FAN_OPEN, file)
    assert marks(group) == {(FAN_CLOSE, FAN_OPEN)}


@pytest.mark.behaviour("MARK-IGN-WRITER")
@kinds(LEGACY_SURV, FAN_MARK_IGNORE_SURV)
def test_open_for_writing_and_surviving(ignore, group, file):
    with file.open("a"):
        expect(OK, group.mark, FAN_MARK_ADD | ignore, FAN_OPEN, file)
        assert marks(group) == {(Mask(0), FAN_OPEN)}


@pytest.mark.behaviour("MARK-IGN-NOSURV-DIR")
@requires(FAN_MARK_IGNORE)
@pytest.mark.parametrize(
    ("mark_type", "name", "answer"),
    [
        (FAN_MARK_INODE, "directory", EISDIR),
        (FAN_MARK_INODE, "file", OK),
        (FAN_MARK_MOUNT, "directory", EINVAL),
        (FAN_MARK_MOUNT, "file", EINVAL),
        (FAN_MARK_FILESYSTEM, "directory", EINVAL),
        (FAN_MARK_FILESYSTEM, "file", EINVAL),
    ],
)
def test_mortal_on_what_is_not_a_file(mark_type, name, answer, group, ext4_file):
    ext4_file.with_name("directory").mkdir()
    expect(
        answer, group.mark, FAN_MARK_ADD | mark_type | FAN_MARK_IGNORE, FAN_OPEN, ext4_file.with_name(name)
    )
    expect(
        OK, group.mark, FAN_MARK_ADD | mark_type | FAN_MARK_IGNORE_SURV, FAN_OPEN, ext4_file.with_name(name)
    )


@pytest.mark.behaviour("MARK-IGN-THEN-LEGACY")
@requires(FAN_MARK_IGNORE)
@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (FAN_MARK_IGNORE, FAN_MARK_IGNORED_MASK, EEXIST),
        (FAN_MARK_IGNORE_SURV, FAN_MARK_IGNORED_MASK, EEXIST),
        (FAN_MARK_IGNORE_SURV, LEGACY_SURV, EEXIST),
        (FAN_MARK_IGNORE_SURV, FAN_MARK_IGNORE, EEXIST),
        (LEGACY_SURV, FAN_MARK_IGNORE, EEXIST),
        (FAN_MARK_IGNORE, FAN_MARK_IGNORE_SURV, OK),
        (FAN_MARK_IGNORED_MASK, FAN_MARK_IGNORE, OK),
        (FAN_MARK_IGNORED_MASK, FAN_MARK_IGNORE_SURV, OK),
        (LEGACY_SURV, FAN_MARK_IGNORE_SURV, OK),
        (LEGACY_SURV, FAN_MARK_IGNORED_MASK, OK),
        (FAN_MARK_IGNORED_MASK, LEGACY_SURV, OK),
    ],
)
def test_one_kind_after_another(first, second, answer, group, ext4_file):
    group.mark(FAN_MARK_ADD | first, FAN_OPEN, ext4_file)
    expect(answer, group.mark, FAN_MARK_ADD | second, FAN_CLOSE, ext4_file)
    assert marks(group) == {(Mask(0), FAN_OPEN if answer else FAN_OPEN | FAN_CLOSE)}


@pytest.mark.behaviour("MARK-IGN-REMOVE-LEGACY")
@requires(FAN_MARK_IGNORE)
@pytest.mark.parametrize("first", [FAN_MARK_IGNORE, FAN_MARK_IGNORE_SURV])
def test_removed_by_the_older_flag(first, group, ext4_file):
    group.mark(FAN_MARK_ADD | first, FAN_OPEN, ext4_file)
    expect(OK, group.mark, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, FAN_OPEN, ext4_file)
    expect(ENOENT, group.mark, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, FAN_OPEN, ext4_file)


@pytest.mark.behaviour("MARK-IGN-ONDIR")
@requires(FAN_MARK_IGNORE)
@pytest.mark.parametrize(
    ("ignored", "flags", "seen"),
    [
        (LEGACY_SURV, Mask(0), False),
        (LEGACY_SURV, FAN_ONDIR, False),
        (FAN_MARK_IGNORE_SURV, Mask(0), True),
        (FAN_MARK_IGNORE_SURV, FAN_ONDIR, False),
    ],
)
def test_directories_ignored(ignored, flags, seen, ext4_dir):
    with FanotifyGroup(FAN_NONBLOCK | FAN_REPORT_DFID_NAME) as group:
        group.mark(FAN_MARK_ADD, FAN_CREATE | FAN_ONDIR, ext4_dir)
        group.mark(FAN_MARK_ADD | ignored, FAN_CREATE | flags, ext4_dir)
        (ext4_dir / "file").touch()
        (ext4_dir / "directory").mkdir()
        if seen:
            assert group.read_one().mask == FAN_CREATE | FAN_ONDIR
        group.assert_empty()


@pytest.mark.behaviour("MARK-IGN-CHILD")
@requires(FAN_MARK_IGNORE)
@pytest.mark.parametrize(
    ("ignored", "flags", "seen"),
    [
        (LEGACY_SURV, Mask(0), True),
        (LEGACY_SURV, FAN_EVENT_ON_CHILD, True),
        (FAN_MARK_IGNORE_SURV, Mask(0), True),
        (FAN_MARK_IGNORE_SURV, FAN_EVENT_ON_CHILD, False),
    ],
)
def test_children_ignored(ignored, flags, seen, group, ext4_file):
    group.mark(FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, ext4_file)
    group.mark(FAN_MARK_ADD | ignored, FAN_OPEN | flags, ext4_file.parent)
    ext4_file.read_text()
    if seen:
        assert group.read_one().mask == FAN_OPEN
    group.assert_empty()
