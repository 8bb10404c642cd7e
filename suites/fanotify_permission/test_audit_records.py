# SPDX-License-Identifier: GPL-2.0-or-later
"""Which answers leave a record in the audit log, with an audit rule and without any."""

import os

import pytest

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
    FAN_NONBLOCK,
    FAN_OPEN_PERM,
    FAN_RESPONSE_INFO_AUDIT_RULE,
    PermissionResponse,
    ResponseInfoAuditRule,
)
from helpers.waiting import wait_until
from suites.fanotify_permission.audit import FANOTIFY_RECORD, audit_log

RULE = pytest.mark.parametrize("rule", [True, False], ids=["with-a-rule", "without-a-rule"])
BOTH = pytest.mark.parametrize("response", [FAN_ALLOW, FAN_DENY])
EXPLANATION = ResponseInfoAuditRule(
    type=FAN_RESPONSE_INFO_AUDIT_RULE, len=16, rule_number=7, subj_trust=1, obj_trust=0
)


pytestmark = requires(FAN_ENABLE_AUDIT)


def records(file, rule, response, info=b""):
    """Return the `resp` fields of the records that an answer leaves."""
    with (
        audit_log(rule=rule) as log,
        watching(file, FAN_OPEN_PERM, FAN_CLASS_CONTENT | FAN_NONBLOCK | FAN_ENABLE_AUDIT) as group,
        requesting(group, file.read_text) as requester,
    ):
        answer = PermissionResponse(requester.event.fd, response)
        os.write(group.fd, bytes(answer) + info)
        wait_until(requester.is_done, "the answer has reached the requester")
        return [record.partition("resp=")[2].split()[0] for record in log.so_far(FANOTIFY_RECORD)]


@pytest.mark.behaviour("PERM-AUDIT-RULES")
@RULE
@BOTH
def test_audited_answer(file, rule, response):
    assert records(file, rule, response | FAN_AUDIT) == [str(int(response))]


@pytest.mark.behaviour("PERM-AUDIT-ASKED")
@RULE
@BOTH
def test_answer_without_audit(file, rule, response):
    assert records(file, rule, response) == []


@pytest.mark.behaviour("PERM-AUDIT-ASKED")
@BOTH
@requires(FAN_INFO)
def test_explained_answer_without_audit(file, response):
    assert records(file, rule=True, response=response | FAN_INFO, info=bytes(EXPLANATION)) == []
