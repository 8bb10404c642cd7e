# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is released when a listener goes away, and who is not."""

import os
from errno import EPERM

import pytest

from helpers.errors import expect
from helpers.permission import Requester, requesting
from helpers.uapi import FAN_DENY, FAN_MARK_FLUSH, FAN_MARK_REMOVE, FAN_OPEN_PERM, Mask


@pytest.mark.behaviour("PERM-CLOSE-REPORTED")
def test_event_that_was_read(group, file):
    with requesting(group, file.read_text) as requester:
        group.close()
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-CLOSE-QUEUED")
def test_event_in_the_queue(group, file):
    with Requester(file.read_text) as requester:
        requester.request(group)
        group.close()
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-CLOSE-REPORTED", "PERM-CLOSE-QUEUED")
def test_both(group, file):
    with requesting(group, file.read_text) as one, Requester(file.read_text) as other:
        other.request(group)
        group.close()
        assert one.finish() == other.finish() == "content"


@pytest.mark.behaviour("PERM-CLOSE-DUP")
def test_second_descriptor_of_the_group(group, file):
    copy = os.dup(group.fd)
    with requesting(group, file.read_text) as requester:
        group.close()
        assert requester.is_blocked()
        os.close(copy)
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-UNMARK-PENDING")
@pytest.mark.parametrize(
    ("flags", "mask"), [(FAN_MARK_REMOVE, FAN_OPEN_PERM), (FAN_MARK_FLUSH, Mask(0))], ids=["REMOVE", "FLUSH"]
)
def test_mark_removed(group, file, flags, mask):
    with requesting(group, file.read_text) as requester:
        group.mark(flags, mask, file)
        assert requester.is_blocked()
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)
