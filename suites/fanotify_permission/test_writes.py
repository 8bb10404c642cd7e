# SPDX-License-Identifier: GPL-2.0-or-later
"""Which answers write(2) takes: their values, their length, and what is judged first."""

import itertools
import os
from errno import EFAULT, EINVAL, ENOENT, EPERM

import pytest

from helpers.errors import expect
from helpers.fanotify import FanotifyGroup
from helpers.permission import requesting
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import (
    FAN_ALLOW,
    FAN_AUDIT,
    FAN_CLASS_CONTENT,
    FAN_DENY,
    FAN_ENABLE_AUDIT,
    Init,
    PermissionResponse,
    Response,
)

NO_SUCH_FD = 12345
BITS = [1 << bit for bit in range(32)]
WORDS = [0, *BITS, *(one | other for one, other in itertools.combinations(BITS, 2))]


def packed(fd: int, response: int) -> bytes:
    return bytes(PermissionResponse(fd, response))


@pytest.mark.behaviour("PERM-RESP-INVALID")
@pytest.mark.parametrize(
    "response", [Response(0), FAN_ALLOW | FAN_DENY, Response(4), FAN_ALLOW | 4, FAN_DENY | 1 << 16]
)
def test_invalid_response_to_an_event(group, file, response):
    with requesting(group, file.read_text) as requester:
        expect(EINVAL, group.respond, requester.event.fd, response)
        assert requester.is_blocked()
        group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-RESP-INVALID", "PERM-RESP-ORDER", "PERM-AUDIT-NOFLAG", "PERM-AUDIT")
@pytest.mark.parametrize("more", [Init(0), FAN_ENABLE_AUDIT])
@requires(lambda more: more)
def test_every_response(more):
    """A valid response to a descriptor without an event is ENOENT, an invalid one EINVAL already."""
    valid = {FAN_ALLOW, FAN_DENY, *((FAN_ALLOW | FAN_AUDIT, FAN_DENY | FAN_AUDIT) if more else ())}
    with FanotifyGroup(FAN_CLASS_CONTENT | more) as group:
        for response in WORDS:
            expect(ENOENT if response in valid else EINVAL, group.respond, NO_SUCH_FD, response)


@pytest.mark.behaviour("PERM-SHORT")
@pytest.mark.parametrize("length", range(8))
def test_short_write(group, file, length):
    with requesting(group, file.read_text) as requester:
        answer = packed(requester.event.fd, FAN_DENY)
        expect(EINVAL, os.write, group.fd, answer[:length])
        assert requester.is_blocked()


@pytest.mark.behaviour("PERM-TRAILING")
@pytest.mark.parametrize("more", [1, 8, 16, 4096])
def test_bytes_after_the_answer(group, file, more):
    with requesting(group, file.read_text) as requester:
        assert os.write(group.fd, packed(requester.event.fd, FAN_DENY) + bytes(more)) == 8
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-ONE-PER-WRITE")
def test_two_answers_in_one_write(group, file):
    with requesting(group, file.read_text) as one, requesting(group, file.read_text) as other:
        both = packed(one.event.fd, FAN_ALLOW) + packed(other.event.fd, FAN_ALLOW)
        assert os.write(group.fd, both) == 8
        assert one.finish() == "content"
        other.await_blocked()
        assert os.write(group.fd, both[8:]) == 8
        assert other.finish() == "content"


@pytest.mark.behaviour("PERM-EFAULT")
def test_answer_from_nowhere(group, file):
    with requesting(group, file.read_text) as requester:
        expect(EFAULT, syscall, "write", group.fd, 1, 8)
        assert requester.is_blocked()
