# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_DENY_ERRNO: denying with an errno of the listener's choice."""

import os
from errno import EAGAIN, EBUSY, EDQUOT, EINVAL, EIO, ENOENT, ENOSPC, EPERM, ETXTBSY

import pytest

from helpers.errors import errno_name, expect
from helpers.fanotify import FanotifyGroup, watching
from helpers.features import Feature, require
from helpers.permission import requesting
from helpers.uapi import Init, Mask, Response, deny_errno

NO_SUCH_FD = 12345
NO_ERRNO = 0
CHOICES = [EPERM, EIO, EBUSY, ETXTBSY, EAGAIN, ENOSPC, EDQUOT]
PRE_CONTENT = Init.CLASS_PRE_CONTENT | Init.NONBLOCK
BY_NAME = pytest.mark.parametrize("code", CHOICES, ids=errno_name)


@pytest.fixture(autouse=True)
def _deny_errno():
    # Both came with the series of 6.14 for hierarchical storage management.
    require(Feature.PRE_ACCESS)


def read_once(file):
    return os.read(os.open(file, os.O_RDONLY), 100)


@pytest.mark.behaviour("PERM-DENY-ERRNO")
@BY_NAME
def test_errno_of_a_read(ext4_dir, code):
    file = ext4_dir / "file"
    file.write_text("content")
    with (
        watching(file, Mask.PRE_ACCESS, PRE_CONTENT) as group,
        requesting(group, lambda: read_once(file)) as requester,
    ):
        assert group.respond(requester.event.fd, deny_errno(code)) == 8
        expect(code, requester.finish)


@pytest.mark.behaviour("PERM-DENY-ERRNO-OPEN")
@BY_NAME
def test_errno_of_an_open(file, code):
    with (
        watching(file, Mask.OPEN_PERM, PRE_CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert group.respond(requester.event.fd, deny_errno(code)) == 8
        expect(code, requester.finish)


@pytest.mark.behaviour("PERM-DENY-ERRNO", "PERM-DENY-ERRNO-BAD")
def test_every_errno():
    """A valid response to a descriptor without an event is ENOENT, an invalid one EINVAL already."""
    with FanotifyGroup(Init.CLASS_PRE_CONTENT) as group:
        for code in range(256):
            answer = ENOENT if code in {NO_ERRNO, *CHOICES} else EINVAL
            expect(answer, group.respond, NO_SUCH_FD, deny_errno(code))


@pytest.mark.behaviour("PERM-DENY-ERRNO-BAD")
def test_no_errno_to_allow():
    with FanotifyGroup(Init.CLASS_PRE_CONTENT) as group:
        for code in CHOICES:
            expect(EINVAL, group.respond, NO_SUCH_FD, deny_errno(code) ^ Response.DENY ^ Response.ALLOW)


@pytest.mark.behaviour("PERM-DENY-ERRNO-BAD")
def test_no_errno_from_a_content_group():
    with FanotifyGroup(Init.CLASS_CONTENT) as group:
        for code in CHOICES:
            expect(EINVAL, group.respond, NO_SUCH_FD, deny_errno(code))


@pytest.mark.behaviour("PERM-DENY-ERRNO-BAD")
def test_refused_errno_leaves_the_event(file):
    with (
        watching(file, Mask.OPEN_PERM, PRE_CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        expect(EINVAL, group.respond, requester.event.fd, deny_errno(ENOENT))
        assert requester.is_blocked()
        group.respond(requester.event.fd, deny_errno(EIO))
        expect(EIO, requester.finish)
