# SPDX-License-Identifier: GPL-2.0-or-later
"""What the results of one kernel are to `git bisect run`."""

from collections.abc import Iterable

from helpers.contract.results import NO_BOOT, Result
from helpers.contract.status import Status

GOOD, BAD, CAN_NOT_BE_JUDGED = 0, 1, 125
"""Exit codes, as in git-bisect(1), "bisect run"."""

_WRONG = {Status.FAIL, Status.XPASS, Status.PANIC, Status.HANG}
_UNCLEAR = {Status.ERROR, Status.LOST, Status.NOT_RUN}


def verdict(results: Iterable[Result]) -> int:
    """Return the exit code: one test that the kernel fails makes it bad, and it takes one that ran to make it good.

    A kernel that did not boot was not tested, and neither was one on which the test itself broke or was skipped.
    """
    statuses = {result.status for result in results if result.test != NO_BOOT}
    if statuses & _WRONG:
        return BAD
    return CAN_NOT_BE_JUDGED if statuses & _UNCLEAR or statuses <= {Status.SKIP} else GOOD
