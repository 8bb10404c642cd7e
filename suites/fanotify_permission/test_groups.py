# SPDX-License-Identifier: GPL-2.0-or-later
"""Several groups that watch the same file: who is asked first, and who must not be forgotten."""

from errno import EPERM

import pytest

from helpers.errors import expect
from helpers.fanotify import watching
from helpers.filesystems import mounted
from helpers.permission import Requester, requesting
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_DENY,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_MOUNT,
    FAN_MARK_REMOVE,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
)
from helpers.waiting import readable

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK
PRE_CONTENT = FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK


@pytest.fixture(params=[(PRE_CONTENT, CONTENT), (CONTENT, PRE_CONTENT)], ids=["in-order", "made-in-reverse"])
def groups(file, request):
    """A group of each class, the one that is asked first in front, whichever was made first."""
    with (
        watching(file, FAN_OPEN_PERM, request.param[0]) as one,
        watching(file, FAN_OPEN_PERM, request.param[1]) as other,
    ):
        yield sorted((one, other), key=lambda group: group.flags, reverse=True)


@pytest.mark.behaviour("PERM-ORDER-CLASS")
def test_both_allow(groups, file):
    first, second = groups
    with requesting(first, file.read_text) as requester:
        second.assert_empty()
        first.respond(requester.event.fd, FAN_ALLOW)
        readable(second, "the second group is asked")
        second.respond(second.read_one().fd, FAN_ALLOW)
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-ORDER-CLASS")
def test_first_denies(groups, file):
    first, second = groups
    with requesting(first, file.read_text) as requester:
        first.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)
        second.assert_empty()


@pytest.mark.behaviour("PERM-ORDER-CLASS")
def test_second_denies(groups, file):
    first, second = groups
    with requesting(first, file.read_text) as requester:
        first.respond(requester.event.fd, FAN_ALLOW)
        readable(second, "the second group is asked")
        second.respond(second.read_one().fd, FAN_DENY)
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-FALSE-POSITIVE")
def test_mark_of_another_group_is_being_removed(public_dir):
    """A pending event pins every mark that it met. One which is removed meanwhile must not hide this group."""
    with mounted("none", public_dir / "tmpfs", "tmpfs") as mount_point:
        file = mount_point / "file"
        file.write_text("content")
        with (
            watching(file, FAN_OPEN_PERM, CONTENT) as group,
            watching(mount_point, FAN_OPEN, mark=FAN_MARK_MOUNT) as other,
            requesting(group, file.read_text),
            Requester(file.read_text) as second,
        ):
            other.mark(FAN_MARK_REMOVE | FAN_MARK_MOUNT, FAN_OPEN, mount_point)
            assert second.is_asked_for(group), "the file was opened without anybody being asked"
            group.respond(group.read_one().fd, FAN_DENY)
            expect(EPERM, second.finish)


@pytest.mark.behaviour("PERM-CHILD-OTHERS")
def test_mark_of_another_group_on_the_directory(public_dir, file):
    """What one group asks of a directory's children is not asked of another, which watches it alone."""
    with (
        watching(public_dir, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, CONTENT) as of_children,
        watching(public_dir, FAN_OPEN_PERM | FAN_ONDIR, CONTENT) as of_directory,
        requesting(of_children, file.read_text) as requester,
    ):
        of_children.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"
        of_directory.assert_empty()
