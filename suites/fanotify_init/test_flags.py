# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags of fanotify_init(2), for a caller who may do everything: the examples of each documented rule."""

from errno import EINVAL

import pytest

from helpers.changes import changed_by
from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import fanotify_init
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_ENABLE_AUDIT,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    FAN_REPORT_NAME,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
    FAN_REPORT_TID,
    Init,
)

LEGAL_FIDS = (
    FAN_REPORT_FID,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_DIR_FID | FAN_REPORT_FID,
    FAN_REPORT_DIR_FID | FAN_REPORT_NAME,
    FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_FID,
    FAN_REPORT_DFID_NAME_TARGET,
)

ROWS = {
    "INIT-UNKNOWN-BIT": [(Init(1 << bit), EINVAL) for bit in range(15, 32)],
    "INIT-INTERNAL-UNPRIV-BIT": [(FAN_REPORT_FID | 1 << 31, EINVAL)],
    "INIT-CLASS-BOTH": [(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, EINVAL)],
    "INIT-FID-CLASS": [
        (FAN_CLASS_CONTENT | FAN_REPORT_FID, EINVAL),
        (FAN_CLASS_PRE_CONTENT | FAN_REPORT_FID, EINVAL),
        (FAN_CLASS_CONTENT | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, EINVAL),
        (FAN_CLASS_PRE_CONTENT | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, EINVAL),
    ],
    "INIT-NAME-NEEDS-DIR": [
        (FAN_REPORT_NAME, EINVAL),
        (FAN_REPORT_NAME | FAN_REPORT_FID, EINVAL),
        (FAN_REPORT_NAME | FAN_REPORT_DIR_FID, OK),
    ],
    "INIT-TARGET-NEEDS-ALL": [
        (FAN_REPORT_TARGET_FID, EINVAL),
        (FAN_REPORT_TARGET_FID | FAN_REPORT_FID | FAN_REPORT_DIR_FID, EINVAL),
        (FAN_REPORT_TARGET_FID | FAN_REPORT_FID | FAN_REPORT_NAME, EINVAL),
        (FAN_REPORT_TARGET_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, EINVAL),
        (FAN_REPORT_TARGET_FID | FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, OK),
    ],
    "INIT-TID": [(FAN_REPORT_TID, OK), (FAN_REPORT_TID | FAN_REPORT_FID, OK)],
    "INIT-PIDFD": [(FAN_REPORT_PIDFD, OK)],
    "INIT-PIDFD-FID": [(FAN_REPORT_PIDFD | fids, OK) for fids in LEGAL_FIDS],
    "INIT-PIDFD-CLASS": [
        (FAN_REPORT_PIDFD | FAN_CLASS_CONTENT, OK),
        (FAN_REPORT_PIDFD | FAN_CLASS_PRE_CONTENT, OK),
    ],
    "INIT-FDERR": [
        (FAN_REPORT_FD_ERROR | other, OK)
        for other in (
            0,
            FAN_CLASS_CONTENT,
            FAN_CLASS_PRE_CONTENT,
            FAN_REPORT_PIDFD,
            FAN_REPORT_TID,
            *LEGAL_FIDS,
        )
    ],
    "INIT-MNT": [(FAN_REPORT_MNT, OK)],
    "INIT-MNT-FID": [(FAN_REPORT_MNT | fids, EINVAL) for fids in LEGAL_FIDS],
    "INIT-MNT-CLASS": [
        (FAN_REPORT_MNT | FAN_CLASS_CONTENT, EINVAL),
        (FAN_REPORT_MNT | FAN_CLASS_PRE_CONTENT, EINVAL),
    ],
    "INIT-MNT-FDERR": [(FAN_REPORT_MNT | FAN_REPORT_FD_ERROR, EINVAL)],
    "INIT-MNT-PIDFD": [(FAN_REPORT_MNT | FAN_REPORT_PIDFD, OK), (FAN_REPORT_MNT | FAN_REPORT_TID, OK)],
    "INIT-AUDIT": [
        (FAN_ENABLE_AUDIT, OK),
        (FAN_ENABLE_AUDIT | FAN_CLASS_CONTENT, OK),
        (FAN_ENABLE_AUDIT | FAN_CLASS_PRE_CONTENT, OK),
        (FAN_ENABLE_AUDIT | FAN_REPORT_PIDFD, OK),
    ],
}


@pytest.mark.parametrize(("flags", "answer"), by_behaviour(ROWS))
@requires(lambda flags: flags)
def test_flags(flags: Init, answer: int) -> None:
    expect(answer, fanotify_init, flags)


@pytest.mark.behaviour("INIT-PIDFD-TID")
@requires(FAN_REPORT_PIDFD)
@pytest.mark.parametrize("more", [Init(0), FAN_REPORT_FID, FAN_CLASS_CONTENT])
@changed_by(Feature.PIDFD_OF_REAPED, before=EINVAL, after=OK)  # of the same release, 7.2-rc1
def test_pidfd_with_tid(more: Init, answer: int) -> None:
    expect(answer, fanotify_init, FAN_REPORT_PIDFD | FAN_REPORT_TID | more)
