# SPDX-License-Identifier: GPL-2.0-or-later
"""What fanotify_init(2) answers to callers who lack a capability, and what it judges first."""

from errno import EINVAL, ENOSYS, EPERM
from pathlib import Path

import pytest

from helpers import skips
from helpers.children import in_child
from helpers.credentials import Capability, unprivileged, without
from helpers.errors import OK, by_behaviour, cases, expect
from helpers.fanotify import fanotify_init
from helpers.features import Feature, require
from helpers.uapi import Init, Open
from suites.fanotify_init.rules import FEATURE_OF

FID, TID, PIDFD, AUDIT = Init.REPORT_FID, Init.REPORT_TID, Init.REPORT_PIDFD, Init.ENABLE_AUDIT
UNKNOWN = Init(1 << 20)

UNPRIVILEGED = {
    "INIT-PIDFD-UNPRIV": [(PIDFD, Open.RDONLY, EPERM), (PIDFD | FID, Open.RDONLY, EPERM)],
    "INIT-PIDFD-TID-UNPRIV": [(PIDFD | TID | FID, Open.RDONLY, EPERM)],
    "INIT-ORDER-CAP-BIT": [(UNKNOWN, Open.RDONLY, EPERM), (Init(0), Open.EXCL, EPERM)],
    "INIT-ORDER-FID-BIT": [(FID | UNKNOWN, Open.RDONLY, EINVAL)],
    "INIT-ORDER-NAME-UNPRIV": [
        (Init.REPORT_NAME, Open.RDONLY, EINVAL),
        (Init.REPORT_TARGET_FID, Open.RDONLY, EINVAL),
    ],
    "INIT-ORDER-EVF-UNPRIV": [(FID, Open.EXCL, EINVAL), (FID, Open.ACCMODE, EINVAL), (FID, Open.RDWR, OK)],
    "INIT-AUDIT-UNPRIV-FID": [(FID | AUDIT, Open.RDONLY, EPERM)],
}


@pytest.mark.parametrize(("flags", "event_f_flags", "answer"), by_behaviour(UNPRIVILEGED))
def test_unprivileged(flags: Init, event_f_flags: Open, answer: int) -> None:
    require(Feature.UNPRIVILEGED_GROUPS, *(FEATURE_OF[flag] for flag in FEATURE_OF if flags & flag))
    in_child(lambda: expect(answer, fanotify_init, flags, event_f_flags), unprivileged)


@pytest.mark.behaviour("INIT-AUDIT-CAP")
@pytest.mark.parametrize(
    ("flags", "answer"), cases((AUDIT, EPERM), (AUDIT | Init.CLASS_CONTENT, EPERM), (TID, OK))
)
def test_without_audit_write(flags: Init, answer: int) -> None:
    require(Feature.ENABLE_AUDIT)
    in_child(lambda: expect(answer, fanotify_init, flags), without(Capability.AUDIT_WRITE))


@pytest.mark.behaviour("INIT-AUDIT-UNPRIV-FID")
def test_unprivileged_auditor() -> None:
    """Only the capability that the flag itself asks for is missing: with it the call succeeds."""
    require(Feature.UNPRIVILEGED_GROUPS, Feature.ENABLE_AUDIT)
    in_child(lambda: expect(OK, fanotify_init, FID | AUDIT), without(Capability.SYS_ADMIN))


@pytest.mark.behaviour("INIT-ENOSYS")
def test_kernel_without_fanotify() -> None:
    if "fanotify_release" in Path("/proc/kallsyms").read_text(encoding="ascii"):
        skips.kconfig("this kernel has CONFIG_FANOTIFY")
    expect(ENOSYS, fanotify_init)
