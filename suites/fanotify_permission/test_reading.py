# SPDX-License-Identifier: GPL-2.0-or-later
"""Permission events which the listener fails to read."""

from errno import EFAULT, EINVAL, EMFILE, EPERM

import pytest

from helpers.descriptors import GuardedBuffer, exhausted, open_descriptors
from helpers.errors import expect
from helpers.fanotify import watching
from helpers.permission import Requester
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_EVENT_METADATA_LEN,
    FAN_NONBLOCK,
    FAN_OPEN_PERM,
    FAN_REPORT_FD_ERROR,
)


@pytest.fixture
def requester(group, file):
    with Requester(file.read_text) as requester:
        requester.request(group)
        yield requester


@pytest.mark.behaviour("PERM-EMFILE")
def test_no_descriptor_left(group, requester):
    with exhausted():
        expect(EMFILE, group.read_bytes)
    expect(EPERM, requester.finish)
    group.assert_empty()


@pytest.mark.behaviour("PERM-EMFILE-FDERR")
@requires(FAN_REPORT_FD_ERROR)
def test_no_descriptor_left_is_reported(file):
    flags = FAN_CLASS_CONTENT | FAN_NONBLOCK | FAN_REPORT_FD_ERROR
    with watching(file, FAN_OPEN_PERM, flags) as group, Requester(file.read_text) as requester:
        requester.request(group)
        with exhausted():
            event = group.read_one()
        assert (event.mask, event.fd) == (FAN_OPEN_PERM, -EMFILE)
        expect(EPERM, requester.finish)
        expect(EINVAL, group.respond, event.fd, FAN_ALLOW)


@pytest.mark.behaviour("PERM-EFAULT-DENY")
@pytest.mark.parametrize("room", [0, 8, FAN_EVENT_METADATA_LEN - 1])
def test_no_room_in_memory(group, requester, room):
    before = open_descriptors()
    expect(EFAULT, GuardedBuffer(room).read_from, group.fd, 4096)
    expect(EPERM, requester.finish)
    assert open_descriptors() == before
    group.assert_empty()


@pytest.mark.behaviour("PERM-EINVAL-KEEP")
@pytest.mark.parametrize("size", [0, 8, FAN_EVENT_METADATA_LEN - 1])
def test_no_room_in_the_buffer(group, requester, size):
    expect(EINVAL, group.read_bytes, size)
    assert requester.is_blocked()
    group.respond(group.read_one().fd, FAN_ALLOW)
    assert requester.finish() == "content"
