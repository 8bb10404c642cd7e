# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of an event that a handler has judged. Groups are told before the call of the process returns."""

import os
from errno import EACCES, EIO, EPERM

import pytest

from helpers.descriptors import opened
from helpers.errors import errno_name, expect
from helpers.fanotify import FanotifyGroup, watching
from helpers.fastpath import attach, attached, number
from helpers.filesystems import mounted
from helpers.handles import fsid
from helpers.permission import Requester
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ATTRIB,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOSE_NOWRITE,
    FAN_CLOSE_WRITE,
    FAN_CREATE,
    FAN_DELETE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MODIFY,
    FAN_MOVE,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_REPORT_DFID_NAME,
)

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK
NAMES = FAN_REPORT_DFID_NAME | FAN_NONBLOCK
DENIALS = pytest.mark.parametrize("code", [EPERM, EACCES, EIO], ids=errno_name)
KINDS = [
    *(FAN_OPEN, FAN_ACCESS, FAN_MODIFY, FAN_CLOSE_WRITE, FAN_CLOSE_NOWRITE, FAN_ATTRIB),
    *(FAN_CREATE, FAN_DELETE, FAN_MOVED_FROM, FAN_MOVED_TO),
]


def do_everything(directory):
    """Do what every kind of event is made of."""
    first, second = directory / "first", directory / "second"
    first.write_text("content")
    first.read_text()
    first.chmod(0o600)
    first.rename(second)
    second.unlink()


@pytest.mark.behaviour("FP-14")
def test_skipped(handlers, file):
    with watching(file, FAN_OPEN) as group, watching(file, FAN_OPEN) as witness:
        with attached(group, handlers.verdict, number(handlers.skip)):
            file.read_text()
            witness.read_one()
            group.assert_empty()
        file.read_text()
        group.read_one()


@pytest.mark.behaviour("FP-15")
def test_sent(handlers, file):
    with watching(file, FAN_OPEN) as group:
        attach(group, handlers.verdict, number(handlers.send))
        file.read_text()
        event = group.read_one()
        assert (event.mask, event.pid) == (FAN_OPEN, os.getpid())
        assert os.path.samestat(os.fstat(event.fd), file.stat())


@pytest.mark.behaviour("FP-16")
def test_skipped_permission_event(handlers, file):
    with watching(file, FAN_OPEN_PERM, CONTENT) as group, Requester(file.read_text) as requester:
        attach(group, handlers.verdict, number(handlers.skip))
        assert not requester.is_asked_for(group)
        assert requester.finish() == "content"


@pytest.mark.behaviour("FP-15")
def test_sent_permission_event(handlers, file):
    with watching(file, FAN_OPEN_PERM, CONTENT) as group, Requester(file.read_text) as requester:
        attach(group, handlers.verdict, number(handlers.send))
        requester.request(group)
        assert group.read_one().pid == requester.pid
        assert requester.is_blocked()


@pytest.mark.behaviour("FP-17")
@pytest.mark.usefixtures("undecided")
@DENIALS
def test_denied(handlers, file, code):
    with watching(file, FAN_OPEN_PERM, CONTENT) as group, Requester(file.read_text) as requester:
        attach(group, handlers.verdict, number(-code))
        assert not requester.is_asked_for(group)
        expect(code, requester.finish)


@pytest.mark.behaviour("FP-18")
@pytest.mark.usefixtures("undecided")
def test_denied_before_others_are_asked(handlers, file):
    first = watching(file, FAN_OPEN_PERM, FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK)
    with (
        first as group,
        watching(file, FAN_OPEN_PERM, CONTENT) as later,
        Requester(file.read_text) as requester,
    ):
        attach(group, handlers.verdict, number(-EACCES))
        assert not requester.is_asked_for(later)
        expect(EACCES, requester.finish)
        later.assert_empty()


@pytest.mark.behaviour("FP-18")
def test_skipped_and_others_are_asked(handlers, file):
    first = watching(file, FAN_OPEN_PERM, FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK)
    with (
        first as group,
        watching(file, FAN_OPEN_PERM, CONTENT) as later,
        Requester(file.read_text) as requester,
    ):
        attach(group, handlers.verdict, number(handlers.skip))
        requester.request(later)
        group.assert_empty()


@pytest.mark.behaviour("FP-19")
@DENIALS
def test_denial_where_nobody_asks(handlers, file, code):
    with watching(file, FAN_OPEN) as group:
        attach(group, handlers.verdict, number(-code))
        assert file.read_text() == "content"


@pytest.mark.behaviour("FP-19")
@pytest.mark.usefixtures("undecided")
def test_denial_where_nobody_asks_is_not_reported(handlers, file):
    with watching(file, FAN_OPEN) as group:
        attach(group, handlers.verdict, number(-EACCES))
        file.read_text()
        group.assert_empty()


@pytest.mark.behaviour("FP-22")
def test_records_of_what_is_sent(handlers, public_dir):
    mask = FAN_CREATE | FAN_DELETE | FAN_MOVE
    with watching(public_dir, mask, NAMES) as group, watching(public_dir, mask, NAMES) as witness:
        attach(group, handlers.verdict, number(handlers.send))
        do_everything(public_dir)
        events = group.read()
        assert events == witness.read()
        assert {record.fsid for event in events for record in event.records} == {fsid(public_dir)}


@pytest.mark.behaviour("FP-23")
@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_event(handlers, public_dir, kind):
    mask = kind | FAN_EVENT_ON_CHILD
    with watching(public_dir, mask, NAMES) as group, watching(public_dir, mask, NAMES) as witness:
        attach(group, handlers.skip_all)
        do_everything(public_dir)
        assert witness.read()
        group.assert_empty()


@pytest.mark.behaviour("FP-24")
def test_queued_before(handlers, file):
    with watching(file, FAN_OPEN | FAN_CLOSE_NOWRITE) as group:
        fd = os.open(file, os.O_RDONLY)
        attach(group, handlers.skip_all)
        os.close(fd)
        assert group.read_one().mask == FAN_OPEN


# The filter of a subtree


@pytest.fixture
def tree(public_dir):
    """A filesystem with files in a directory, deeper in it and beside it."""
    with mounted("tree", public_dir / "tree", "tmpfs") as root:
        (root / "below" / "deep").mkdir(parents=True)
        (root / "beside").mkdir()
        for directory in ("below", "below/deep", "beside"):
            (root / directory / "file").touch()
        yield root


@pytest.fixture
def filtered(handlers, tree):
    """A group which watches the filesystem, and gets to know of the directory `below`."""
    with FanotifyGroup(FAN_NONBLOCK) as group:
        with opened(tree / "below", os.O_RDONLY | os.O_DIRECTORY) as directory:
            group.mark(FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, tree)
            attach(group, handlers.subtree, number(directory))
        yield group


@pytest.mark.behaviour("FP-20")
@pytest.mark.parametrize("name", ["below/file", "below/deep/file"])
def test_below(filtered, tree, name):
    (tree / name).read_text()
    assert os.path.samestat(os.fstat(filtered.read_one().fd), (tree / name).stat())


@pytest.mark.behaviour("FP-20")
def test_beside(filtered, tree):
    (tree / "beside" / "file").read_text()
    filtered.assert_empty()


@pytest.mark.behaviour("FP-20")
def test_moved_into_the_directory(filtered, tree):
    (tree / "beside" / "file").rename(tree / "below" / "moved")
    (tree / "below" / "moved").read_text()
    assert os.path.samestat(os.fstat(filtered.read_one().fd), (tree / "below" / "moved").stat())


@pytest.mark.behaviour("FP-20")
def test_moved_out_of_the_directory(filtered, tree):
    (tree / "below" / "file").rename(tree / "beside" / "moved")
    (tree / "beside" / "moved").read_text()
    filtered.assert_empty()
