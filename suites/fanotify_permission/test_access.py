# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_ACCESS_PERM and FAN_PRE_ACCESS: who is asked before data is read, and when that is decided."""

import os
from errno import EPERM

import pytest

from helpers.actors import Actor
from helpers.changes import changed_by
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup, watching
from helpers.features import Feature
from helpers.filesystems import mounted
from helpers.permission import Requester, requesting
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS_PERM,
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_DENY,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_PRE_ACCESS,
    O_RDWR,
)

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK
SIZE = 100


def read(file):
    return os.read(os.open(file, os.O_RDONLY), SIZE)


def pread(file):
    return os.pread(os.open(file, os.O_RDONLY), SIZE, 0)


def readv(file):
    return os.readv(os.open(file, os.O_RDONLY), [bytearray(SIZE)])


def sendfile(file):
    return os.sendfile(writable(file), os.open(file, os.O_RDONLY), 0, SIZE)


def splice(file):
    _, pipe = os.pipe()
    return os.splice(os.open(file, os.O_RDONLY), pipe, SIZE)


def copy_file_range(file):
    return os.copy_file_range(os.open(file, os.O_RDONLY), writable(file), SIZE)


def writable(file):
    return os.open(file.with_suffix(".copy"), os.O_WRONLY | os.O_CREAT)


@pytest.mark.behaviour("PERM-ACCESS")
@pytest.mark.parametrize(
    "call", [read, pread, readv, sendfile, splice, copy_file_range], ids=lambda call: call.__name__
)
def test_denied_reading(file, call):
    with (
        watching(file, FAN_ACCESS_PERM, CONTENT) as group,
        requesting(group, lambda: call(file)) as requester,
    ):
        assert requester.event.mask == FAN_ACCESS_PERM
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-ACCESS")
def test_allowed_reading(file):
    with (
        watching(file, FAN_ACCESS_PERM, CONTENT) as group,
        requesting(group, lambda: read(file)) as requester,
    ):
        group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == b"content"


@pytest.mark.behaviour("PERM-ACCESS")
def test_reading_a_directory(public_dir):
    with (
        watching(public_dir, FAN_ACCESS_PERM | FAN_ONDIR, CONTENT) as group,
        requesting(group, lambda: list(public_dir.iterdir())) as requester,
    ):
        assert requester.event.mask == FAN_ACCESS_PERM
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-ACCESS")
def test_not_by_opening_or_writing(file):
    with watching(file, FAN_ACCESS_PERM, CONTENT) as group:
        with Actor(lambda: file.write_text("new")) as writer:
            writer.act()
        group.assert_empty()


@pytest.fixture
def unwatched(public_dir):
    """A file on a filesystem which nobody watches."""
    with mounted("none", public_dir / "tmpfs", "tmpfs") as mount_point:
        file = mount_point / "file"
        file.write_text("content")
        yield file


@pytest.mark.behaviour("PERM-ACCESS-OPTIN")
@changed_by(Feature.PERMISSION_AT_OPEN, before=EPERM, after=OK)
def test_file_opened_before_anybody_watched(unwatched, answer):
    with FanotifyGroup(CONTENT) as group:
        assert_opened_before_its_mark(group, unwatched, answer)


@pytest.mark.behaviour("PERM-ACCESS-OPTIN-FILE")
@changed_by(Feature.PERMISSION_BY_FILE, before=EPERM, after=OK)
def test_file_opened_while_another_was_watched(unwatched, answer):
    other = unwatched.with_name("other")
    other.touch()
    with watching(other, FAN_ACCESS_PERM, CONTENT) as group:
        assert_opened_before_its_mark(group, unwatched, answer)


def assert_opened_before_its_mark(group, file, answer):
    """Open a file, mark it, and read it: EPERM where the kernel asks the group, which denies it, and OK otherwise."""
    fd = os.open(file, os.O_RDONLY)
    group.mark(FAN_MARK_ADD, FAN_ACCESS_PERM, file)
    with Requester(lambda: os.read(fd, SIZE), keep=[fd]) as requester:
        os.close(fd)
        assert requester.is_asked_for(group) == (answer == EPERM)
        if answer == EPERM:
            group.respond(group.read_one().fd, FAN_DENY)
        expect(answer, requester.finish)


@pytest.mark.behaviour("PERM-PRE-NOCONTENT")
@requires(FAN_PRE_ACCESS)
def test_content_made_on_demand(ext4_dir):
    file = ext4_dir / "file"
    file.write_bytes(bytes(SIZE))
    with (
        watching(file, FAN_PRE_ACCESS, FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK, O_RDWR) as group,
        requesting(group, lambda: read(file)) as requester,
    ):
        os.pwrite(requester.event.fd, b"x" * SIZE, 0)
        group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == b"x" * SIZE
