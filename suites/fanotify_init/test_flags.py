# SPDX-License-Identifier: GPL-2.0-or-later
"""The flags of fanotify_init(2), for a caller who may do everything: the examples of each documented rule."""

from errno import EINVAL

import pytest

from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import fanotify_init
from helpers.features import Feature, has, require
from helpers.uapi import Init
from suites.fanotify_init.rules import FEATURE_OF

FID, DIR_FID, NAME, TARGET_FID = (
    Init.REPORT_FID,
    Init.REPORT_DIR_FID,
    Init.REPORT_NAME,
    Init.REPORT_TARGET_FID,
)
CONTENT, PRE_CONTENT = Init.CLASS_CONTENT, Init.CLASS_PRE_CONTENT
AUDIT, PIDFD, TID = Init.ENABLE_AUDIT, Init.REPORT_PIDFD, Init.REPORT_TID
FD_ERROR, MNT = Init.REPORT_FD_ERROR, Init.REPORT_MNT

LEGAL_FIDS = (FID, DIR_FID, DIR_FID | FID, DIR_FID | NAME, DIR_FID | NAME | FID, Init.REPORT_DFID_NAME_TARGET)

ROWS = {
    "INIT-UNKNOWN-BIT": [(Init(1 << bit), EINVAL) for bit in range(15, 32)],
    "INIT-INTERNAL-UNPRIV-BIT": [(FID | 1 << 31, EINVAL)],
    "INIT-CLASS-BOTH": [(CONTENT | PRE_CONTENT, EINVAL)],
    "INIT-FID-CLASS": [
        (CONTENT | FID, EINVAL),
        (PRE_CONTENT | FID, EINVAL),
        (CONTENT | DIR_FID | NAME, EINVAL),
        (PRE_CONTENT | DIR_FID | NAME, EINVAL),
    ],
    "INIT-NAME-NEEDS-DIR": [(NAME, EINVAL), (NAME | FID, EINVAL), (NAME | DIR_FID, OK)],
    "INIT-TARGET-NEEDS-ALL": [
        (TARGET_FID, EINVAL),
        (TARGET_FID | FID | DIR_FID, EINVAL),
        (TARGET_FID | FID | NAME, EINVAL),
        (TARGET_FID | DIR_FID | NAME, EINVAL),
        (TARGET_FID | FID | DIR_FID | NAME, OK),
    ],
    "INIT-TID": [(TID, OK), (TID | FID, OK)],
    "INIT-PIDFD": [(PIDFD, OK)],
    "INIT-PIDFD-FID": [(PIDFD | fids, OK) for fids in LEGAL_FIDS],
    "INIT-PIDFD-CLASS": [(PIDFD | CONTENT, OK), (PIDFD | PRE_CONTENT, OK)],
    "INIT-FDERR": [(FD_ERROR | other, OK) for other in (0, CONTENT, PRE_CONTENT, PIDFD, TID, *LEGAL_FIDS)],
    "INIT-MNT": [(MNT, OK)],
    "INIT-MNT-FID": [(MNT | fids, EINVAL) for fids in LEGAL_FIDS],
    "INIT-MNT-CLASS": [(MNT | CONTENT, EINVAL), (MNT | PRE_CONTENT, EINVAL)],
    "INIT-MNT-FDERR": [(MNT | FD_ERROR, EINVAL)],
    "INIT-MNT-PIDFD": [(MNT | PIDFD, OK), (MNT | TID, OK)],
    "INIT-AUDIT": [(AUDIT, OK), (AUDIT | CONTENT, OK), (AUDIT | PRE_CONTENT, OK), (AUDIT | PIDFD, OK)],
}


@pytest.mark.parametrize(("flags", "answer"), by_behaviour(ROWS))
def test_flags(flags: Init, answer: int) -> None:
    require(*(feature for flag, feature in FEATURE_OF.items() if flags & flag))
    expect(answer, fanotify_init, flags)


@pytest.mark.behaviour("INIT-PIDFD-TID")
@pytest.mark.parametrize("more", [Init(0), FID, CONTENT], ids=str)
def test_pidfd_with_tid(more: Init) -> None:
    require(Feature.REPORT_PIDFD)
    # 7.2-rc1 brought both; which kernel this is shows in what it reports of a process that is gone.
    expect(OK if has(Feature.PIDFD_OF_REAPED) else EINVAL, fanotify_init, PIDFD | TID | more)
