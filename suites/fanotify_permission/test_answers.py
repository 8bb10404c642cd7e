# SPDX-License-Identifier: GPL-2.0-or-later
"""What a permission event is, and what comes of its answer."""

import os
from errno import EINVAL, EMFILE, ENOENT, EPERM

import pytest

from helpers.errors import OK, cases, expect
from helpers.fanotify import FanotifyGroup, watching
from helpers.permission import Requester, requesting
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLASS_NOTIF,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOSE,
    FAN_DENY,
    FAN_EVENT_ON_CHILD,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
)

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK
NO_SUCH_FD = 12345


@pytest.mark.behaviour("PERM-ALLOW")
def test_allow(group, file):
    with requesting(group, file.read_text) as requester:
        assert group.respond(requester.event.fd, FAN_ALLOW) == 8
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-DENY")
def test_deny(group, file):
    with requesting(group, file.read_text) as requester:
        assert group.respond(requester.event.fd, FAN_DENY) == 8
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-EVENT")
def test_event(group, file):
    with requesting(group, file.read_text) as requester:
        event = requester.event
        assert (event.mask, event.pid) == (FAN_OPEN_PERM, requester.pid)
        assert os.path.samestat(os.fstat(event.fd), file.stat())
        assert os.read(event.fd, 100) == b"content"


@pytest.mark.behaviour("PERM-EVENT")
def test_each_has_an_answer_of_its_own(group, file):
    with requesting(group, file.read_text) as one, requesting(group, file.read_text) as other:
        group.respond(other.event.fd, FAN_DENY)
        expect(EPERM, other.finish)
        one.await_blocked()
        group.respond(one.event.fd, FAN_ALLOW)
        assert one.finish() == "content"


@pytest.mark.behaviour("PERM-BEFORE-NOTIFY")
def test_allowed_open_is_reported(file):
    with (
        watching(file, FAN_OPEN_PERM | FAN_OPEN, CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert requester.event.mask == FAN_OPEN_PERM
        group.assert_empty()
        group.respond(requester.event.fd, FAN_ALLOW)
        requester.finish()
        assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("PERM-BEFORE-NOTIFY")
def test_denied_open_is_not_reported(file):
    with (
        watching(file, FAN_OPEN_PERM | FAN_OPEN | FAN_CLOSE, CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)
        group.assert_empty()


@pytest.mark.behaviour("PERM-DENY-UNTOUCHED")
def test_denied_open_does_not_truncate(group, file):
    with requesting(group, lambda: os.open(file, os.O_WRONLY | os.O_TRUNC)) as requester:
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)
        assert os.read(requester.event.fd, 100) == b"content"


@pytest.mark.behaviour("PERM-CHILD")
def test_file_of_a_watched_directory(public_dir, file):
    with (
        watching(public_dir, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert os.path.samestat(os.fstat(requester.event.fd), file.stat())
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-DIRECTORY")
def test_watched_directory(public_dir):
    with (
        watching(public_dir, FAN_OPEN_PERM | FAN_ONDIR, CONTENT) as group,
        requesting(group, lambda: list(public_dir.iterdir())) as requester,
    ):
        assert requester.event.mask == FAN_OPEN_PERM
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-TWICE")
def test_second_answer(group, file):
    with requesting(group, file.read_text) as requester:
        group.respond(requester.event.fd, FAN_ALLOW)
        expect(ENOENT, group.respond, requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-FD-CLOSED")
@pytest.mark.parametrize(("response", "answer"), cases((FAN_ALLOW, OK), (FAN_DENY, EPERM)))
def test_answer_after_closing_the_event(group, file, response, answer):
    with requesting(group, file.read_text) as requester:
        os.close(group.disown(requester.event.fd))
        assert group.respond(requester.event.fd, response) == 8
        expect(answer, requester.finish)


@pytest.mark.behaviour("PERM-FD-UNKNOWN")
@pytest.mark.parametrize("flags", [FAN_CLASS_NOTIF, FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT])
def test_answer_to_no_event(flags):
    with FanotifyGroup(flags) as group:
        expect(ENOENT, group.respond, group.fd, FAN_ALLOW)
        expect(ENOENT, group.respond, NO_SUCH_FD, FAN_DENY)


@pytest.mark.behaviour("PERM-FD-NEGATIVE")
@pytest.mark.parametrize("fd", [FAN_NOFD, -2, -EMFILE])
def test_answer_to_no_descriptor(group, fd):
    expect(EINVAL, group.respond, fd, FAN_ALLOW)


@pytest.mark.behaviour("PERM-SELF-DEADLOCK")
def test_listener_is_asked_too(file):
    """Nobody is exempt: a child which holds the group and opens the file is held up as well."""
    with (
        watching(file, FAN_OPEN_PERM, CONTENT) as group,
        Requester(file.read_text, keep=[group.fd]) as listener,
    ):
        listener.request(group)
        event = group.read_one()
        assert event.pid == listener.pid
        group.respond(event.fd, FAN_ALLOW)
        assert listener.finish() == "content"
