# SPDX-License-Identifier: GPL-2.0-or-later
"""Ignore masks: what they keep away, when they vanish, and which may follow which."""

from errno import EEXIST, EINVAL, EISDIR, ENOENT

import pytest

from helpers import fdinfo
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, require
from helpers.uapi import Init, Mark, Mask

ADD, REMOVE = Mark.ADD, Mark.REMOVE
LEGACY, LEGACY_SURV = Mark.IGNORED_MASK, Mark.IGNORED_MASK | Mark.IGNORED_SURV_MODIFY
IGNORE, IGNORE_SURV = Mark.IGNORE, Mark.IGNORE_SURV


def kinds(*ignores):
    """Run a test with each of these kinds of ignore mask that the kernel knows."""
    return pytest.mark.parametrize("ignore", ignores, ids=str, indirect=True)


@pytest.fixture
def ignore(request):
    """The flags of an ignore mask."""
    if request.param & IGNORE:
        require(Feature.IGNORE)
    return request.param


@pytest.fixture
def group():
    with FanotifyGroup(Init.NONBLOCK) as group:
        yield group


@pytest.fixture
def file(filesystem_dir):
    """A file with content, on each filesystem."""
    return made(filesystem_dir)


@pytest.fixture
def ext4_file(ext4_dir):
    """A file with content, on one filesystem."""
    return made(ext4_dir)


def made(directory):
    file = directory / "file"
    file.write_text("content")
    return file


def marks(group):
    """Return the masks and the ignore masks of the group's marks."""
    return {(Mask(mark.mask), Mask(mark.ignored_mask)) for mark in fdinfo.read_group(group.fd).marks}


def write(file):
    with file.open("a") as opened:
        opened.write("more")


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY, LEGACY_SURV, IGNORE, IGNORE_SURV)
def test_ignored_events(ignore, group, ext4_file):
    group.mark(ADD, Mask.OPEN | Mask.CLOSE_NOWRITE, ext4_file)
    group.mark(ADD | ignore, Mask.OPEN, ext4_file)
    ext4_file.read_text()
    assert group.read_one().mask == Mask.CLOSE_NOWRITE


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, IGNORE_SURV)
@pytest.mark.parametrize("wide", [Mark.MOUNT, Mark.FILESYSTEM], ids=str)
def test_file_ignored_in_a_watched_filesystem(ignore, wide, group, ext4_file):
    group.mark(ADD | wide, Mask.OPEN, ext4_file)
    group.mark(ADD | ignore, Mask.OPEN, ext4_file)
    ext4_file.read_text()
    group.assert_empty()
    ext4_file.with_name("other").touch()
    assert group.read_one().mask == Mask.OPEN


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, IGNORE_SURV)
@pytest.mark.parametrize("wide", [Mark.MOUNT, Mark.FILESYSTEM], ids=str)
def test_watched_file_in_an_ignored_filesystem(ignore, wide, group, ext4_file):
    group.mark(ADD, Mask.OPEN | Mask.CLOSE_NOWRITE, ext4_file)
    group.mark(ADD | wide | ignore, Mask.OPEN, ext4_file)
    ext4_file.read_text()
    assert group.read_one().mask == Mask.CLOSE_NOWRITE


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, IGNORE_SURV)
def test_other_groups_do_not_ignore(ignore, group, ext4_file):
    with FanotifyGroup() as other:
        other.mark(ADD | ignore, Mask.OPEN, ext4_file)
        group.mark(ADD, Mask.OPEN, ext4_file)
        ext4_file.read_text()
        assert group.read_one().mask == Mask.OPEN


@pytest.mark.behaviour("MARK-IGN-EVENTS")
@kinds(LEGACY_SURV, IGNORE_SURV)
def test_removed(ignore, group, ext4_file):
    group.mark(ADD, Mask.OPEN, ext4_file)
    group.mark(ADD | ignore, Mask.OPEN, ext4_file)
    group.mark(REMOVE | ignore, Mask.OPEN, ext4_file)
    ext4_file.read_text()
    assert group.read_one().mask == Mask.OPEN


@pytest.mark.behaviour("MARK-IGN-SEPARATE")
@kinds(LEGACY, LEGACY_SURV, IGNORE, IGNORE_SURV)
def test_masks_are_separate(ignore, group, ext4_file):
    group.mark(ADD | ignore, Mask.OPEN, ext4_file)
    group.mark(ADD, Mask.CLOSE, ext4_file)
    assert marks(group) == {(Mask.CLOSE, Mask.OPEN)}
    group.mark(REMOVE, Mask.OPEN, ext4_file)
    assert marks(group) == {(Mask.CLOSE, Mask.OPEN)}
    group.mark(REMOVE, Mask.CLOSE, ext4_file)
    assert marks(group) == {(Mask(0), Mask.OPEN)}
    group.mark(REMOVE | ignore, Mask.OPEN, ext4_file)
    assert not marks(group)


@pytest.mark.behaviour("MARK-IGN-CLEAR-ON-MODIFY")
@kinds(LEGACY, IGNORE)
def test_dropped_when_modified(ignore, group, file):
    group.mark(ADD, Mask.OPEN, file)
    group.mark(ADD | ignore, Mask.OPEN, file)
    write(file)
    group.assert_empty()
    file.read_text()
    assert group.read_one().mask == Mask.OPEN


@pytest.mark.behaviour("MARK-IGN-SURV")
@kinds(LEGACY_SURV, IGNORE_SURV)
def test_kept_when_modified(ignore, group, file):
    group.mark(ADD, Mask.OPEN, file)
    group.mark(ADD | ignore, Mask.OPEN, file)
    write(file)
    file.read_text()
    group.assert_empty()


@pytest.mark.behaviour("MARK-IGN-SURV")
@kinds(LEGACY_SURV, IGNORE_SURV)
def test_cannot_be_made_mortal_by_removal(ignore, group, ext4_file):
    group.mark(ADD | ignore, Mask.OPEN | Mask.ACCESS, ext4_file)
    group.mark(REMOVE | ignore, Mask.ACCESS, ext4_file)
    assert {mark.mflags & Mark.IGNORED_SURV_MODIFY for mark in fdinfo.read_group(group.fd).marks} == {
        Mark.IGNORED_SURV_MODIFY
    }


@pytest.mark.behaviour("MARK-IGN-WRITER")
@kinds(LEGACY, IGNORE)
def test_open_for_writing(ignore, group, file):
    group.mark(ADD, Mask.CLOSE, file)
    with file.open("a"):
        expect(OK, group.mark, ADD | ignore, Mask.OPEN, file)
        assert marks(group) == {(Mask.CLOSE, Mask(0))}
    group.mark(ADD | ignore, Mask.OPEN, file)
    assert marks(group) == {(Mask.CLOSE, Mask.OPEN)}


@pytest.mark.behaviour("MARK-IGN-WRITER")
@kinds(LEGACY_SURV, IGNORE_SURV)
def test_open_for_writing_and_surviving(ignore, group, file):
    with file.open("a"):
        expect(OK, group.mark, ADD | ignore, Mask.OPEN, file)
        assert marks(group) == {(Mask(0), Mask.OPEN)}


@pytest.mark.behaviour("MARK-IGN-NOSURV-DIR")
@pytest.mark.parametrize(
    ("mark_type", "name", "answer"),
    [
        (Mark.INODE, "directory", EISDIR),
        (Mark.INODE, "file", OK),
        (Mark.MOUNT, "directory", EINVAL),
        (Mark.MOUNT, "file", EINVAL),
        (Mark.FILESYSTEM, "directory", EINVAL),
        (Mark.FILESYSTEM, "file", EINVAL),
    ],
    ids=str,
)
def test_mortal_on_what_is_not_a_file(mark_type, name, answer, group, ext4_file):
    require(Feature.IGNORE)
    ext4_file.with_name("directory").mkdir()
    expect(answer, group.mark, ADD | mark_type | IGNORE, Mask.OPEN, ext4_file.with_name(name))
    expect(OK, group.mark, ADD | mark_type | IGNORE_SURV, Mask.OPEN, ext4_file.with_name(name))


@pytest.mark.behaviour("MARK-IGN-THEN-LEGACY")
@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (IGNORE, LEGACY, EEXIST),
        (IGNORE_SURV, LEGACY, EEXIST),
        (IGNORE_SURV, LEGACY_SURV, EEXIST),
        (IGNORE_SURV, IGNORE, EEXIST),
        (LEGACY_SURV, IGNORE, EEXIST),
        (IGNORE, IGNORE_SURV, OK),
        (LEGACY, IGNORE, OK),
        (LEGACY, IGNORE_SURV, OK),
        (LEGACY_SURV, IGNORE_SURV, OK),
        (LEGACY_SURV, LEGACY, OK),
        (LEGACY, LEGACY_SURV, OK),
    ],
    ids=str,
)
def test_one_kind_after_another(first, second, answer, group, ext4_file):
    require(Feature.IGNORE)
    group.mark(ADD | first, Mask.OPEN, ext4_file)
    expect(answer, group.mark, ADD | second, Mask.CLOSE, ext4_file)
    assert marks(group) == {(Mask(0), Mask.OPEN if answer else Mask.OPEN | Mask.CLOSE)}


@pytest.mark.behaviour("MARK-IGN-REMOVE-LEGACY")
@pytest.mark.parametrize("first", [IGNORE, IGNORE_SURV], ids=str)
def test_removed_by_the_older_flag(first, group, ext4_file):
    require(Feature.IGNORE)
    group.mark(ADD | first, Mask.OPEN, ext4_file)
    expect(OK, group.mark, REMOVE | LEGACY, Mask.OPEN, ext4_file)
    expect(ENOENT, group.mark, REMOVE | LEGACY, Mask.OPEN, ext4_file)


@pytest.mark.behaviour("MARK-IGN-ONDIR")
@pytest.mark.parametrize(
    ("ignored", "flags", "seen"),
    [
        (LEGACY_SURV, Mask(0), False),
        (LEGACY_SURV, Mask.ONDIR, False),
        (IGNORE_SURV, Mask(0), True),
        (IGNORE_SURV, Mask.ONDIR, False),
    ],
    ids=str,
)
def test_directories_ignored(ignored, flags, seen, ext4_dir):
    require(Feature.IGNORE)
    with FanotifyGroup(Init.NONBLOCK | Init.REPORT_DFID_NAME) as group:
        group.mark(ADD, Mask.CREATE | Mask.ONDIR, ext4_dir)
        group.mark(ADD | ignored, Mask.CREATE | flags, ext4_dir)
        (ext4_dir / "file").touch()
        (ext4_dir / "directory").mkdir()
        if seen:
            assert group.read_one().mask == Mask.CREATE | Mask.ONDIR
        group.assert_empty()


@pytest.mark.behaviour("MARK-IGN-CHILD")
@pytest.mark.parametrize(
    ("ignored", "flags", "seen"),
    [
        (LEGACY_SURV, Mask(0), True),
        (LEGACY_SURV, Mask.EVENT_ON_CHILD, True),
        (IGNORE_SURV, Mask(0), True),
        (IGNORE_SURV, Mask.EVENT_ON_CHILD, False),
    ],
    ids=str,
)
def test_children_ignored(ignored, flags, seen, group, ext4_file):
    require(Feature.IGNORE)
    group.mark(ADD | Mark.MOUNT, Mask.OPEN, ext4_file)
    group.mark(ADD | ignored, Mask.OPEN | flags, ext4_file.parent)
    ext4_file.read_text()
    if seen:
        assert group.read_one().mask == Mask.OPEN
    group.assert_empty()
