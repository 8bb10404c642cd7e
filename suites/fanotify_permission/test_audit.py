# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers with FAN_AUDIT and FAN_INFO: which ones are taken, and what the audit log says of them."""

import ctypes
import os
from errno import EINVAL, ENOENT, EPERM

import pytest

from helpers.changes import changed_by
from helpers.errors import OK, cases, expect
from helpers.fanotify import watching
from helpers.permission import requesting
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_AUDIT,
    FAN_CLASS_CONTENT,
    FAN_DENY,
    FAN_ENABLE_AUDIT,
    FAN_INFO,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_OPEN_PERM,
    FAN_RESPONSE_INFO_AUDIT_RULE,
    FAN_RESPONSE_INFO_NONE,
    Init,
    PermissionResponse,
    ResponseInfoAuditRule,
)
from suites.fanotify_permission.audit import FANOTIFY_RECORD, audit_log

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK
RULE_SIZE = ctypes.sizeof(ResponseInfoAuditRule)
WHOLE = 8 + RULE_SIZE
NO_SUCH_FD = 12345


def rule(**fields):
    fields = {"type": FAN_RESPONSE_INFO_AUDIT_RULE, "len": RULE_SIZE, **fields}
    return bytes(ResponseInfoAuditRule(**fields))


def respond(group, fd, response, info=b""):
    return os.write(group.fd, bytes(PermissionResponse(fd, response)) + info)


@pytest.mark.behaviour("PERM-AUDIT-NOFLAG")
@pytest.mark.parametrize("response", [FAN_ALLOW | FAN_AUDIT, FAN_DENY | FAN_AUDIT])
def test_audit_in_a_group_without_it(group, file, response):
    with requesting(group, file.read_text) as requester:
        expect(EINVAL, group.respond, requester.event.fd, response)
        assert requester.is_blocked()


@pytest.mark.behaviour("PERM-AUDIT")
@requires(FAN_ENABLE_AUDIT)
@pytest.mark.parametrize(
    ("response", "answer"), cases((FAN_ALLOW | FAN_AUDIT, OK), (FAN_DENY | FAN_AUDIT, EPERM))
)
def test_audit(file, response, answer):
    with (
        watching(file, FAN_OPEN_PERM, CONTENT | FAN_ENABLE_AUDIT) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert group.respond(requester.event.fd, response) == 8
        expect(answer, requester.finish)


@pytest.mark.behaviour("PERM-INFO")
@pytest.mark.parametrize(
    ("response", "answer"), cases((FAN_ALLOW | FAN_INFO, OK), (FAN_DENY | FAN_INFO, EPERM))
)
@pytest.mark.parametrize(
    "more",
    [
        pytest.param(
            Init(0), marks=pytest.mark.behaviour("PERM-INFO-NOAUDIT"), id="without-FAN_ENABLE_AUDIT"
        ),
        pytest.param(FAN_ENABLE_AUDIT, id="FAN_ENABLE_AUDIT"),
    ],
)
@requires(FAN_INFO, lambda more: more)
def test_info(file, more, response, answer):
    with (
        watching(file, FAN_OPEN_PERM, CONTENT | more) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert respond(group, requester.event.fd, response, rule()) == WHOLE
        expect(answer, requester.finish)


BAD = {
    "missing": b"",
    "truncated": rule()[:-4],
    "with-bytes-after-it": rule() + bytes(4),
    "of-type-none": rule(type=FAN_RESPONSE_INFO_NONE),
    "of-an-unknown-type": rule(type=FAN_RESPONSE_INFO_AUDIT_RULE + 1),
    "with-a-pad": rule(pad=1),
    "said-to-be-shorter": rule(len=RULE_SIZE - 4),
    "said-to-be-longer": rule(len=RULE_SIZE + 4),
}


@pytest.mark.behaviour("PERM-INFO-BAD")
@requires(FAN_INFO)
@pytest.mark.parametrize("info", BAD.values(), ids=BAD)
def test_bad_info(group, file, info):
    with requesting(group, file.read_text) as requester:
        expect(EINVAL, respond, group, requester.event.fd, FAN_ALLOW | FAN_INFO, info)
        assert requester.is_blocked()
        respond(group, requester.event.fd, FAN_ALLOW | FAN_INFO, rule())
        assert requester.finish() == "content"


@pytest.mark.behaviour("PERM-INFO")
@changed_by(FAN_INFO, before=EINVAL, after=ENOENT)
def test_kernel_without_info(group, answer):
    """A valid response to a descriptor without an event is ENOENT; before 6.3 none with FAN_INFO is valid."""
    expect(answer, respond, group, NO_SUCH_FD, FAN_ALLOW | FAN_INFO, rule())


@pytest.mark.behaviour("PERM-INFO-PROBE")
@requires(FAN_INFO)
def test_probe(group, file):
    with requesting(group, file.read_text) as requester:
        assert respond(group, FAN_NOFD, FAN_ALLOW | FAN_INFO, rule()) == WHOLE
        expect(EINVAL, respond, group, FAN_NOFD, FAN_ALLOW | FAN_INFO, rule(pad=1))
        expect(EINVAL, respond, group, FAN_NOFD - 1, FAN_ALLOW | FAN_INFO, rule())
        assert requester.is_blocked()


WITHOUT_INFO = {"fan_type": "0", "fan_info": "0", "subj_trust": "2", "obj_trust": "2"}


@pytest.mark.behaviour("PERM-AUDIT-RECORD")
@requires(FAN_ENABLE_AUDIT)
@pytest.mark.parametrize("response", [FAN_ALLOW, FAN_DENY])
@changed_by(FAN_INFO, before={}, after=WITHOUT_INFO)
def test_record(file, response, answer):
    with (
        audit_log() as log,
        watching(file, FAN_OPEN_PERM, CONTENT | FAN_ENABLE_AUDIT) as group,
        requesting(group, file.read_text) as requester,
    ):
        group.respond(requester.event.fd, response | FAN_AUDIT)
        assert fields(log.next(FANOTIFY_RECORD)) == {"resp": str(int(response)), **answer}


@pytest.mark.behaviour("PERM-AUDIT-RECORD")
@requires(FAN_ENABLE_AUDIT, FAN_INFO)
def test_record_of_a_rule(file):
    with (
        audit_log() as log,
        watching(file, FAN_OPEN_PERM, CONTENT | FAN_ENABLE_AUDIT) as group,
        requesting(group, file.read_text) as requester,
    ):
        info = rule(rule_number=0x3F, subj_trust=1, obj_trust=0)
        respond(group, requester.event.fd, FAN_DENY | FAN_AUDIT | FAN_INFO, info)
        assert fields(log.next(FANOTIFY_RECORD)) == {
            "resp": "2",
            "fan_type": "1",
            "fan_info": "3F",
            "subj_trust": "1",
            "obj_trust": "0",
        }


def fields(record):
    """Return the fields of a record, after the time and number that it begins with."""
    return dict(field.split("=") for field in record.partition("): ")[2].split())
