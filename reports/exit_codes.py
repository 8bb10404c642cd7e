# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit codes of this room; the README has the table of all."""

from collections.abc import Iterable

from helpers.contract.results import NO_BOOT, Result

ALARM = 1
"""A kernel failed a test; a comparison lost something; of what was merged something is missing."""
NOT_DONE = 2
"""Not all could be read or written, or it was refused."""


_ORDER = (ALARM, 3, NOT_DONE, 4, 5)
"""What says most about a run comes first; 3 is pytest's internal error, 4 and 5 that nothing was run."""


def combined(*codes: int) -> int:
    """Return the one of several codes that says the most: a failed test, whatever else went wrong."""
    return next((code for code in _ORDER if code in codes), max(codes))


def of(results: Iterable[Result]) -> int:
    """Return what the results of a run contribute: a kernel that did not come up failed no test."""
    return ALARM if any(one.words.bad and one.test != NO_BOOT for one in results) else 0
