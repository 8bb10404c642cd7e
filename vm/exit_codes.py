# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit codes that ``git bisect run`` understands (git-bisect(1), "bisect run"); the README has the table of all."""

from __future__ import annotations

import pytest

CAN_NOT_BE_JUDGED = 125
STOP = 128
"""From here on ``git bisect run`` stops, and blames no commit."""

_VERDICTS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, CAN_NOT_BE_JUDGED)


class NothingSelectedError(Exception):
    """The arguments of pytest are right one by one, and select no test together."""


def for_bisect(code: int) -> int:
    """Return what ``git bisect run`` is told: a verdict on the kernel, or that something else is wrong."""
    return int(code) if code in _VERDICTS else STOP + int(code)
