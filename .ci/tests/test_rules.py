# SPDX-License-Identifier: GPL-2.0-or-later
"""Which behaviour an unexpected answer breaks: where another error that applies is answered, the order alone."""

from errno import EINVAL, ENOENT, EPERM

import pytest

from helpers.contract.behaviours import load
from helpers.contract.sources import Kind
from helpers.errors import OK
from helpers.features import Feature
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_MARK_ADD,
    FAN_MARK_FLUSH,
    FAN_MARK_MOUNT,
    FAN_OPEN,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
)
from suites.fanotify_init import rules as of_init
from suites.fanotify_mark import rules as of_mark

USER = of_mark.Group("a user's", int(FAN_REPORT_FID), admin=False)
NOTHING = of_mark.Target("nothing", there=False)


@pytest.mark.parametrize(
    ("flags", "answer", "behaviour"),
    [
        (FAN_MARK_ADD | FAN_MARK_MOUNT, ENOENT, "MARK-ERRNO-ORDER"),
        (FAN_MARK_ADD | FAN_MARK_MOUNT, EINVAL, "CAP-UNPRIV-MOUNT-MARK"),
        (FAN_MARK_ADD | FAN_MARK_MOUNT, OK, "CAP-UNPRIV-MOUNT-MARK"),
        (FAN_MARK_ADD, OK, "MARK-ENOENT"),
        (FAN_MARK_FLUSH, ENOENT, "MARK-FLUSH-PATH-IGNORED"),
    ],
)
def test_mark(flags: int, answer: int, behaviour: str) -> None:
    call = of_mark.Known(), USER, NOTHING, of_mark.Before(), int(flags), int(FAN_OPEN)
    assert of_mark.broken(*call, answer) == behaviour


@pytest.mark.parametrize(
    ("flags", "answer", "behaviour"),
    [
        (FAN_CLASS_CONTENT | FAN_REPORT_FID, EINVAL, "INIT-ERRNO-ORDER"),
        (FAN_CLASS_CONTENT | FAN_REPORT_FID, OK, "CAP-ADMIN-FLAGS"),
        (FAN_REPORT_PIDFD | FAN_REPORT_FID, OK, "INIT-PIDFD-UNPRIV"),
        (FAN_REPORT_FD_ERROR | FAN_REPORT_FID, OK, "CAP-ADMIN-FD-ERROR"),
        (FAN_REPORT_FID, EPERM, "INIT-BASIC"),
    ],
)
def test_init(flags: int, answer: int, behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_init, "has", lambda feature: feature is not Feature.QUEUE_FD)
    assert of_init.Judge(of_init.USER).broken(int(flags), answer) == behaviour


@pytest.mark.parametrize("order", [of_mark.ORDER, of_init.ORDER])
def test_nobody_promises_the_order(order: str) -> None:
    assert load()[order].kind is Kind.OBSERVED
