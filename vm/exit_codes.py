# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit codes that ``git bisect run`` understands (git-bisect(1), "bisect run"); the README has the table of all."""

from __future__ import annotations

import pytest

CAN_NOT_BE_JUDGED = 125
STOP = 128
"""From this exit code on ``git bisect run`` aborts, without blaming a commit."""

_VERDICTS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, CAN_NOT_BE_JUDGED)


class NothingSelectedError(Exception):
    """Each argument of pytest is valid, but together they select no test."""


def for_bisect(code: int) -> int:
    """Return the exit code for ``git bisect run``: a verdict on the kernel, or a request to abort."""
    return int(code) if code in _VERDICTS else STOP + int(code)
