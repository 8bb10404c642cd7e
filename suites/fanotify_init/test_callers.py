# SPDX-License-Identifier: GPL-2.0-or-later
"""What fanotify_init(2) answers to callers who lack a capability, and what it judges first."""

from errno import EINVAL, ENOSYS, EPERM
from pathlib import Path

import pytest

from helpers import skips
from helpers.children import in_child
from helpers.credentials import unprivileged, without
from helpers.errors import OK, by_behaviour, cases, expect
from helpers.fanotify import fanotify_init
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    CAP_AUDIT_WRITE,
    CAP_SYS_ADMIN,
    FAN_CLASS_CONTENT,
    FAN_ENABLE_AUDIT,
    FAN_REPORT_FID,
    FAN_REPORT_NAME,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
    FAN_REPORT_TID,
    O_ACCMODE,
    O_EXCL,
    O_RDONLY,
    O_RDWR,
    Init,
    Open,
)

UNKNOWN = Init(1 << 20)

UNPRIVILEGED = {
    "INIT-PIDFD-UNPRIV": [
        (FAN_REPORT_PIDFD, O_RDONLY, EPERM),
        (FAN_REPORT_PIDFD | FAN_REPORT_FID, O_RDONLY, EPERM),
    ],
    "INIT-PIDFD-TID-UNPRIV": [(FAN_REPORT_PIDFD | FAN_REPORT_TID | FAN_REPORT_FID, O_RDONLY, EPERM)],
    "INIT-ORDER-CAP-BIT": [(UNKNOWN, O_RDONLY, EPERM), (Init(0), O_EXCL, EPERM)],
    "INIT-ORDER-FID-BIT": [(FAN_REPORT_FID | UNKNOWN, O_RDONLY, EINVAL)],
    "INIT-ORDER-NAME-UNPRIV": [
        (FAN_REPORT_NAME, O_RDONLY, EINVAL),
        (FAN_REPORT_TARGET_FID, O_RDONLY, EINVAL),
    ],
    "INIT-ORDER-EVF-UNPRIV": [
        (FAN_REPORT_FID, O_EXCL, EINVAL),
        (FAN_REPORT_FID, O_ACCMODE, EINVAL),
        (FAN_REPORT_FID, O_RDWR, OK),
    ],
    "INIT-AUDIT-UNPRIV-FID": [(FAN_REPORT_FID | FAN_ENABLE_AUDIT, O_RDONLY, EPERM)],
}


@pytest.mark.parametrize(("flags", "event_f_flags", "answer"), by_behaviour(UNPRIVILEGED))
@requires(Feature.UNPRIVILEGED_GROUPS, lambda flags: flags)
def test_unprivileged(flags: Init, event_f_flags: Open, answer: int) -> None:
    in_child(lambda: expect(answer, fanotify_init, flags, event_f_flags), unprivileged)


@pytest.mark.behaviour("INIT-AUDIT-CAP")
@requires(FAN_ENABLE_AUDIT)
@pytest.mark.parametrize(
    ("flags", "answer"),
    cases((FAN_ENABLE_AUDIT, EPERM), (FAN_ENABLE_AUDIT | FAN_CLASS_CONTENT, EPERM), (FAN_REPORT_TID, OK)),
)
def test_without_audit_write(flags: Init, answer: int) -> None:
    in_child(lambda: expect(answer, fanotify_init, flags), without(CAP_AUDIT_WRITE))


@pytest.mark.behaviour("INIT-AUDIT-UNPRIV-FID")
@requires(Feature.UNPRIVILEGED_GROUPS, FAN_ENABLE_AUDIT)
def test_unprivileged_auditor() -> None:
    """Only the capability that the flag itself asks for is missing: with it the call succeeds."""
    in_child(lambda: expect(OK, fanotify_init, FAN_REPORT_FID | FAN_ENABLE_AUDIT), without(CAP_SYS_ADMIN))


@pytest.mark.behaviour("INIT-ENOSYS")
@requires(fanotify=False)
def test_kernel_without_fanotify() -> None:
    if "fanotify_release" in Path("/proc/kallsyms").read_text(encoding="ascii"):
        skips.kconfig("this kernel has CONFIG_FANOTIFY")
    expect(ENOSYS, fanotify_init)
