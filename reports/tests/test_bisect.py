# SPDX-License-Identifier: GPL-2.0-or-later
"""What results are to `git bisect run`."""

import pytest

from helpers.contract.results import Result
from helpers.contract.status import Status
from reports.bisect import BAD, CAN_NOT_BE_JUDGED, GOOD, verdict

VERDICTS = {
    "pass": GOOD,
    "pass skip": GOOD,
    "pass xfail": GOOD,
    "fail": BAD,
    "panic": BAD,
    "hang": BAD,
    "xpass": BAD,
    "pass error fail": BAD,
    "lost": CAN_NOT_BE_JUDGED,
    "pass error": CAN_NOT_BE_JUDGED,
    "skip skip": CAN_NOT_BE_JUDGED,
    "": CAN_NOT_BE_JUDGED,
}


@pytest.mark.parametrize("statuses", VERDICTS)
def test_verdict(statuses: str) -> None:
    results = [
        Result(kernel="6.12", release="", accel="", test=f"test_{n}", behaviours=[], status=Status(status))
        for n, status in enumerate(statuses.split())
    ]
    assert verdict(results) == VERDICTS[statuses]


def test_a_kernel_that_panics_before_any_test_is_not_bad() -> None:
    boot = Result(kernel="6.12", release="", accel="", test="vm::boot", behaviours=[], status=Status.PANIC)
    assert verdict([boot]) == CAN_NOT_BE_JUDGED
