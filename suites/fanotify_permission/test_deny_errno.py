# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_DENY_ERRNO: denying with an errno of the listener's choice."""

import os
from errno import EAGAIN, EBUSY, EDQUOT, EINVAL, EIO, ENOENT, ENOSPC, EPERM, ETXTBSY

import pytest

from helpers.errors import errno_name, expect
from helpers.fanotify import FanotifyGroup, watching
from helpers.permission import requesting
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_DENY,
    FAN_DENY_ERRNO,
    FAN_NONBLOCK,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
)

NO_SUCH_FD = 12345
NO_ERRNO = 0
CHOICES = [EPERM, EIO, EBUSY, ETXTBSY, EAGAIN, ENOSPC, EDQUOT]
PRE_CONTENT = FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK
BY_NAME = pytest.mark.parametrize("code", CHOICES, ids=errno_name)


# Both came with the series of 6.14 for hierarchical storage management.
pytestmark = requires(FAN_PRE_ACCESS)


def read_once(file):
    return os.read(os.open(file, os.O_RDONLY), 100)


@pytest.mark.behaviour("PERM-DENY-ERRNO")
@BY_NAME
def test_errno_of_a_read(ext4_dir, code):
    file = ext4_dir / "file"
    file.write_text("content")
    with (
        watching(file, FAN_PRE_ACCESS, PRE_CONTENT) as group,
        requesting(group, lambda: read_once(file)) as requester,
    ):
        assert group.respond(requester.event.fd, FAN_DENY_ERRNO(code)) == 8
        expect(code, requester.finish)


@pytest.mark.behaviour("PERM-DENY-ERRNO-OPEN")
@BY_NAME
def test_errno_of_an_open(file, code):
    with (
        watching(file, FAN_OPEN_PERM, PRE_CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert group.respond(requester.event.fd, FAN_DENY_ERRNO(code)) == 8
        expect(code, requester.finish)


@pytest.mark.behaviour("PERM-DENY-ERRNO", "PERM-DENY-ERRNO-BAD")
def test_every_errno():
    """A valid response to a descriptor without an event is ENOENT, an invalid one EINVAL already."""
    with FanotifyGroup(FAN_CLASS_PRE_CONTENT) as group:
        for code in range(256):
            answer = ENOENT if code in {NO_ERRNO, *CHOICES} else EINVAL
            expect(answer, group.respond, NO_SUCH_FD, FAN_DENY_ERRNO(code))


@pytest.mark.behaviour("PERM-DENY-ERRNO-BAD")
def test_no_errno_to_allow():
    with FanotifyGroup(FAN_CLASS_PRE_CONTENT) as group:
        for code in CHOICES:
            expect(EINVAL, group.respond, NO_SUCH_FD, FAN_DENY_ERRNO(code) ^ FAN_DENY ^ FAN_ALLOW)


@pytest.mark.behaviour("PERM-DENY-ERRNO-BAD")
def test_no_errno_from_a_content_group():
    with FanotifyGroup(FAN_CLASS_CONTENT) as group:
        for code in CHOICES:
            expect(EINVAL, group.respond, NO_SUCH_FD, FAN_DENY_ERRNO(code))


@pytest.mark.behaviour("PERM-DENY-ERRNO-BAD")
def test_refused_errno_leaves_the_event(file):
    with (
        watching(file, FAN_OPEN_PERM, PRE_CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        expect(EINVAL, group.respond, requester.event.fd, FAN_DENY_ERRNO(ENOENT))
        assert requester.is_blocked()
        group.respond(requester.event.fd, FAN_DENY_ERRNO(EIO))
        expect(EIO, requester.finish)
