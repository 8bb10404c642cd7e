# SPDX-License-Identifier: GPL-2.0-or-later
"""How fanotify_mark(2) finds the object: path, dirfd, and neither."""

import os
from errno import EACCES, EBADF, EFAULT, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

import pytest

from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.descriptors import opened
from helpers.errors import OK, by_behaviour, expect, expect_errno
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import (
    AT_FDCWD,
    FAN_MARK_ADD,
    FAN_MARK_DONT_FOLLOW,
    FAN_MARK_FLUSH,
    FAN_MARK_ONLYDIR,
    FAN_MARK_REMOVE,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_FID,
    Mark,
)

UNMAPPED = 1
NAME_MAX, PATH_MAX = 255, 4096
NO_DESCRIPTOR = 1 << 20


@pytest.fixture
def tree(ext4_dir):
    """A directory with a file, a directory, a link to each, and a link to nothing and one to itself."""
    (ext4_dir / "file").touch()
    (ext4_dir / "directory").mkdir()
    (ext4_dir / "link-to-file").symlink_to("file")
    (ext4_dir / "link-to-directory").symlink_to("directory")
    (ext4_dir / "dangling").symlink_to("nothing")
    (ext4_dir / "loop").symlink_to("loop")
    return ext4_dir


PATHS = {
    "MARK-ENOENT": [
        ("nothing", Mark(0), ENOENT),
        ("nothing/below", Mark(0), ENOENT),
        ("dangling", Mark(0), ENOENT),
    ],
    "MARK-ENOTDIR-PATH": [("file/below", Mark(0), ENOTDIR)],
    "MARK-ENOTDIR-ONLYDIR": [
        ("file", FAN_MARK_ONLYDIR, ENOTDIR),
        ("link-to-file", FAN_MARK_ONLYDIR, ENOTDIR),
        ("link-to-directory", FAN_MARK_ONLYDIR | FAN_MARK_DONT_FOLLOW, ENOTDIR),
        ("link-to-directory", FAN_MARK_ONLYDIR, OK),
        ("directory", FAN_MARK_ONLYDIR, OK),
    ],
    "MARK-SYMLINK": [
        ("dangling", FAN_MARK_DONT_FOLLOW, OK),
        ("loop", FAN_MARK_DONT_FOLLOW, OK),
        ("loop", Mark(0), ELOOP),
    ],
}


@pytest.mark.parametrize(("path", "flags", "answer"), by_behaviour(PATHS))
def test_path(path, flags, answer, group, tree):
    expect(answer, group.mark, FAN_MARK_ADD | flags, FAN_OPEN, tree / path)


@pytest.mark.parametrize(("path", "flags", "answer"), by_behaviour(PATHS))
def test_path_of_a_removal(path, flags, answer, group, tree):
    expect(answer or ENOENT, group.mark, FAN_MARK_REMOVE | flags, FAN_OPEN, tree / path)


@pytest.mark.behaviour("MARK-ENOENT")
def test_empty_path(group, tree):
    with opened(tree) as directory:
        expect(ENOENT, group.mark, FAN_MARK_ADD, FAN_OPEN, "", directory)
        expect(ENOENT, group.mark, FAN_MARK_ADD, FAN_OPEN, "", AT_FDCWD)


@pytest.mark.behaviour("MARK-ENAMETOOLONG")
@pytest.mark.parametrize(
    "path", ["x" * (NAME_MAX + 1), "x/" * (PATH_MAX // 2)], ids=["name-of-256-bytes", "path-of-4096-bytes"]
)
def test_too_long(path, group, tree):
    expect(ENAMETOOLONG, group.mark, FAN_MARK_ADD, FAN_OPEN, tree / path)


@pytest.mark.behaviour("MARK-EFAULT")
def test_unmapped_path(group):
    with expect_errno(EFAULT, "fanotify_mark, with 1 as the path"):
        syscall("fanotify_mark", group.fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, UNMAPPED)


@pytest.mark.behaviour("MARK-EACCES")
@requires(Feature.UNPRIVILEGED_GROUPS)
@pytest.mark.parametrize(
    ("mode", "answer"),
    [(0o000, EACCES), (0o333, EACCES), (0o444, OK)],
    ids=["0000-EACCES", "0333-EACCES", "0444-ok"],
)
def test_read_permission(mode, answer, tree):
    expect_of_a_user(answer, tree / "directory", mode)


@pytest.mark.behaviour("MARK-EACCES")
@requires(Feature.UNPRIVILEGED_GROUPS)
def test_search_permission(ext4_dir):
    directory = ext4_dir / "directory"
    directory.mkdir(mode=0o744)
    (directory / "file").touch(mode=0o644)

    def call():
        with FanotifyGroup(FAN_REPORT_FID) as group:
            expect(EACCES, group.mark, FAN_MARK_ADD, FAN_OPEN, directory / "file")

    in_child(call, unprivileged)


@pytest.mark.behaviour("MARK-NULL-PATH")
@pytest.mark.parametrize("name", ["file", "directory"])
def test_no_path(name, group, tree):
    with opened(tree / name) as fd:
        expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, None, fd)
    with opened(tree / name):
        assert group.read_one().mask == FAN_OPEN
    expect(OK, group.mark, FAN_MARK_REMOVE, FAN_OPEN | FAN_ONDIR, tree / name)


@pytest.mark.behaviour("MARK-ENOTDIR-ONLYDIR")
@pytest.mark.parametrize(("name", "answer"), [("file", ENOTDIR), ("directory", OK)])
def test_no_path_and_only_directories(name, answer, group, tree):
    with opened(tree / name) as fd:
        expect(answer, group.mark, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, None, fd)


@pytest.mark.behaviour("MARK-NULL-PATH-CWD")
def test_no_path_in_the_working_directory(group):
    expect(EBADF, group.mark, FAN_MARK_ADD, FAN_OPEN, None, AT_FDCWD)


@pytest.mark.behaviour("MARK-NULL-PATH")
def test_no_path_and_no_descriptor(group):
    expect(EBADF, group.mark, FAN_MARK_ADD, FAN_OPEN, None, NO_DESCRIPTOR)


@pytest.mark.behaviour("MARK-NULL-PATH-OPATH")
def test_no_path_and_a_path_descriptor(group, tree):
    with opened(tree / "directory", os.O_PATH) as fd:
        expect(EBADF, group.mark, FAN_MARK_ADD, FAN_OPEN, None, fd)


@pytest.mark.behaviour("MARK-REL-DIRFD")
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH], ids=["O_RDONLY", "O_PATH"])
def test_relative_path(flags, group, tree):
    with opened(tree, flags) as directory:
        expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, "file", directory)
    expect(OK, group.mark, FAN_MARK_REMOVE, FAN_OPEN, tree / "file")


@pytest.mark.behaviour("MARK-REL-DIRFD")
def test_relative_path_below_a_file(group, tree):
    with opened(tree / "file") as file:
        expect(ENOTDIR, group.mark, FAN_MARK_ADD, FAN_OPEN, "file", file)


@pytest.mark.behaviour("MARK-REL-DIRFD")
def test_relative_path_below_nothing(group):
    expect(EBADF, group.mark, FAN_MARK_ADD, FAN_OPEN, "file", NO_DESCRIPTOR)


@pytest.mark.behaviour("MARK-REL-DIRFD")
def test_relative_path_in_the_working_directory(tree):
    def call():
        os.chdir(tree)
        with FanotifyGroup() as group:
            expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, "file", AT_FDCWD)
            expect(OK, group.mark, FAN_MARK_REMOVE, FAN_OPEN, tree / "file")

    in_child(call)


@pytest.mark.behaviour("MARK-ABS-IGNORES-DIRFD")
@pytest.mark.parametrize("dirfd", [NO_DESCRIPTOR, -1], ids=["no-descriptor", "minus-one"])
def test_absolute_path(dirfd, group, tree):
    expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, tree / "file", dirfd)


@pytest.mark.behaviour("MARK-SYMLINK")
def test_link_is_followed(group, tree):
    group.mark(FAN_MARK_ADD, FAN_OPEN, tree / "link-to-file")
    expect(ENOENT, group.mark, FAN_MARK_REMOVE | FAN_MARK_DONT_FOLLOW, FAN_OPEN, tree / "link-to-file")
    expect(OK, group.mark, FAN_MARK_REMOVE, FAN_OPEN, tree / "file")


@pytest.mark.behaviour("MARK-SYMLINK")
def test_link_is_marked(group, tree):
    group.mark(FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, FAN_OPEN, tree / "link-to-file")
    expect(ENOENT, group.mark, FAN_MARK_REMOVE, FAN_OPEN, tree / "file")
    expect(OK, group.mark, FAN_MARK_REMOVE | FAN_MARK_DONT_FOLLOW, FAN_OPEN, tree / "link-to-file")


@pytest.mark.behaviour("MARK-FLUSH-PATH-IGNORED")
def test_flush_needs_no_path(group, tree):
    group.mark(FAN_MARK_ADD, FAN_OPEN, tree / "file")
    expect(OK, group.mark, FAN_MARK_FLUSH, 0, tree / "nothing", NO_DESCRIPTOR)
    expect(ENOENT, group.mark, FAN_MARK_REMOVE, FAN_OPEN, tree / "file")


@pytest.mark.behaviour("MARK-FLUSH-PATH-IGNORED")
def test_flush_does_not_look_at_the_path(group):
    syscall("fanotify_mark", group.fd, FAN_MARK_FLUSH, 0, NO_DESCRIPTOR, UNMAPPED)


def expect_of_a_user(answer, path, mode):
    """Hold the kernel to an answer to a user who is not the owner, and marks what has this mode."""
    path.chmod(mode)

    def call():
        with FanotifyGroup(FAN_REPORT_FID) as group:
            expect(answer, group.mark, FAN_MARK_ADD, FAN_OPEN, path)

    in_child(call, unprivileged)
