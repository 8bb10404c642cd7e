# SPDX-License-Identifier: GPL-2.0-or-later
"""Two marks of one group which one event meets: on a file, its directory, its mount and its filesystem."""

from itertools import combinations, permutations

import pytest

from helpers.fanotify import FanotifyGroup
from helpers.permission import requesting
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_MOUNT,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_REPORT_DFID_NAME,
    Init,
    Mask,
)
from suites.fanotify_mark.places import FILE, PLACES, mark, of_children

LEGACY_SURV = FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY
OF_DIRECTORIES = ("parent", "mount", "filesystem")
"""The places whose marks an event of the directory itself meets."""
BY_REPORT = pytest.mark.parametrize("report", [Init(0), FAN_REPORT_DFID_NAME])


@pytest.fixture
def directory(ext4_dir):
    """A directory with a file, and a subdirectory with another one."""
    (ext4_dir / "sub").mkdir()
    for path in (ext4_dir / FILE, ext4_dir / "sub" / FILE):
        path.write_text("content")
    return ext4_dir


@pytest.fixture
@requires(FAN_OPEN_PERM)
def permission_group():
    with FanotifyGroup(FAN_CLASS_CONTENT | FAN_NONBLOCK) as group:
        yield group


@pytest.fixture
@requires(lambda ignore: ignore)
def ignore(request):
    """The flags of an ignore mask."""
    return request.param


def seen(group):
    """Return the masks of all events so far, without the flag that plain groups do not report."""
    return [mask & ~FAN_ONDIR for mask in group.masks()]


@pytest.mark.behaviour("MARK-TWO-ONCE")
@BY_REPORT
@pytest.mark.parametrize(("one", "other"), list(combinations(PLACES, 2)))
def test_same_events_asked_for_twice(directory, one, other, report):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        for place in (one, other):
            mark(group, directory, place, FAN_OPEN | FAN_CLOSE | of_children(place))
        (directory / FILE).read_text()
        assert seen(group) == [FAN_OPEN | FAN_CLOSE_NOWRITE]


@pytest.mark.behaviour("MARK-TWO-ONCE")
@pytest.mark.parametrize(("one", "other"), list(combinations(PLACES, 2)))
def test_permission_asked_for_twice(permission_group, directory, one, other):
    for place in (one, other):
        mark(permission_group, directory, place, FAN_OPEN_PERM | of_children(place))
    with requesting(permission_group, (directory / FILE).read_text) as requester:
        permission_group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"
    permission_group.assert_empty()


@pytest.mark.behaviour("MARK-TWO-SUM")
@BY_REPORT
@pytest.mark.parametrize(("one", "other"), list(permutations(PLACES, 2)))
def test_different_events_asked_for(directory, one, other, report):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        mark(group, directory, one, FAN_OPEN | of_children(one))
        mark(group, directory, other, FAN_CLOSE | of_children(other))
        (directory / FILE).read_text()
        assert seen(group) == [FAN_OPEN | FAN_CLOSE_NOWRITE]


@pytest.mark.behaviour("MARK-TWO-CHILD")
@BY_REPORT
@pytest.mark.parametrize("flag", [Mask(0), FAN_EVENT_ON_CHILD])
@pytest.mark.parametrize("other", ["file", "mount", "filesystem"])
def test_directory_without_its_children(directory, other, flag, report):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        mark(group, directory, "parent", FAN_OPEN)
        mark(group, directory, other, FAN_CLOSE | flag)
        (directory / FILE).read_text()
        assert seen(group) == [FAN_CLOSE_NOWRITE]


@pytest.mark.behaviour("MARK-TWO-ONDIR")
@BY_REPORT
@pytest.mark.parametrize(("one", "other"), list(permutations(OF_DIRECTORIES, 2)))
def test_files_alone_in_one_mark(directory, one, other, report):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        mark(group, directory, one, FAN_OPEN)
        mark(group, directory, other, FAN_CLOSE | FAN_ONDIR)
        list(directory.iterdir())
        assert seen(group) == [FAN_CLOSE_NOWRITE]


# flags of a mark on the directory, and of one on its subdirectory; FAN_OPEN is asked for by the former
SUBDIRECTORY = [
    (FAN_ONDIR | FAN_EVENT_ON_CHILD, FAN_ONDIR, FAN_OPEN | FAN_CLOSE_NOWRITE),
    (FAN_ONDIR | FAN_EVENT_ON_CHILD, Mask(0), FAN_OPEN),
    (FAN_EVENT_ON_CHILD, FAN_ONDIR, FAN_CLOSE_NOWRITE),
    (FAN_ONDIR, FAN_ONDIR, FAN_CLOSE_NOWRITE),
]


@pytest.mark.behaviour("MARK-TWO-SUBDIR")
@BY_REPORT
@pytest.mark.parametrize(("of_directory", "of_subdirectory", "mask"), SUBDIRECTORY)
def test_subdirectory_and_its_parent(directory, of_directory, of_subdirectory, mask, report):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | of_directory, directory)
        group.mark(FAN_MARK_ADD, FAN_CLOSE | of_subdirectory, directory / "sub")
        list((directory / "sub").iterdir())
        assert seen(group) == [mask]


@pytest.mark.behaviour("MARK-TWO-CHILD-WIDE")
@BY_REPORT
@pytest.mark.parametrize("flag", [Mask(0), FAN_EVENT_ON_CHILD])
@pytest.mark.parametrize("wide", [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM])
def test_event_on_child_of_what_has_no_children(directory, wide, flag, report):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        group.mark(FAN_MARK_ADD | wide, FAN_OPEN | flag, directory)
        for file in (directory / FILE, directory / "sub" / FILE):
            file.read_text()
            assert seen(group) == [FAN_OPEN]
        list(directory.iterdir())
        group.assert_empty()


@pytest.mark.behaviour("MARK-TWO-IGNORE")
@pytest.mark.parametrize("ignore", [LEGACY_SURV, FAN_MARK_IGNORE_SURV], indirect=True)
@pytest.mark.parametrize(("ignored", "watched"), list(permutations(PLACES, 2)))
def test_ignore_mask_of_one_mark(directory, ignored, watched, ignore):
    """The older kind of an ignore mask has no flag for children: a mask that watches them speaks for it."""
    with FanotifyGroup(FAN_NONBLOCK) as group:
        mark(group, directory, watched, FAN_OPEN | FAN_CLOSE | of_children(watched))
        if ignored == "parent":
            mark(group, directory, ignored, FAN_CLOSE | FAN_EVENT_ON_CHILD)
        mark(group, directory, ignored, FAN_OPEN | of_children(ignored), ignore)
        (directory / FILE).read_text()
        assert seen(group) == [FAN_CLOSE_NOWRITE]


@pytest.mark.behaviour("MARK-TWO-IGNORE-CHILD")
@pytest.mark.parametrize("ignore", [LEGACY_SURV, FAN_MARK_IGNORE_SURV], indirect=True)
@pytest.mark.parametrize("watched", ["file", "mount", "filesystem"])
def test_ignore_mask_of_the_directory_without_its_children(directory, watched, ignore):
    with FanotifyGroup(FAN_NONBLOCK) as group:
        mark(group, directory, watched, FAN_OPEN)
        mark(group, directory, "parent", FAN_OPEN, ignore)
        (directory / FILE).read_text()
        assert seen(group) == [FAN_OPEN]


@pytest.mark.behaviour("MARK-TWO-IGNORE-ONDIR")
@pytest.mark.parametrize(
    ("ignore", "flag", "expected"),
    [
        (LEGACY_SURV, Mask(0), FAN_CLOSE_NOWRITE),
        (FAN_MARK_IGNORE_SURV, FAN_ONDIR, FAN_CLOSE_NOWRITE),
        (FAN_MARK_IGNORE_SURV, Mask(0), FAN_OPEN | FAN_CLOSE_NOWRITE),
    ],
    indirect=["ignore"],
)
@pytest.mark.parametrize(("ignored", "watched"), list(permutations(OF_DIRECTORIES, 2)))
def test_ignore_mask_and_directories(directory, ignored, watched, ignore, flag, expected):
    with FanotifyGroup(FAN_NONBLOCK) as group:
        mark(group, directory, watched, FAN_OPEN | FAN_CLOSE | FAN_ONDIR)
        mark(group, directory, ignored, FAN_OPEN | flag, ignore)
        list(directory.iterdir())
        assert seen(group) == [expected]
