# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition with a deadline. Nothing else in the suites sleeps."""

import os
import select
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

SLOW = float(os.environ.get("FAPITEST_SLOW", "1"))
"""Factor for all deadlines; the host sets it for emulated machines."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.05


class DeadlinePassed(AssertionError):  # noqa: N818 - what happened
    """A condition did not become true before its deadline."""


class HasFileno(Protocol):
    """Anything with a file descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


def scaled(seconds: float) -> float:
    """Return a deadline in seconds, scaled for this machine."""
    return seconds * SLOW


def wait_until(condition: Callable[[], T], what: str, deadline: float = 5) -> T:
    """Poll the condition, with growing pauses, until it is true, and return its value.

    `deadline` is in seconds, before scaling. Raises DeadlinePassed naming `what`.
    """
    __tracebackhide__ = True
    end, pause = time.monotonic() + scaled(deadline), _FIRST_PAUSE
    while not (value := condition()):
        if time.monotonic() > end:
            raise DeadlinePassed(_timed_out(deadline, what))
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return value


def is_readable(file: int | HasFileno) -> bool:
    """Return whether poll(2) reports POLLIN right now."""
    return bool(_poll(file, 0) & select.POLLIN)


def readable(file: int | HasFileno, what: str, deadline: float = 5) -> None:
    """Wait until poll(2) reports any event for the descriptor; raise DeadlinePassed naming `what`."""
    __tracebackhide__ = True
    if not _poll(file, scaled(deadline)):
        raise DeadlinePassed(_timed_out(deadline, what))


def _timed_out(deadline: float, what: str) -> str:
    return f"timed out after {scaled(deadline):g} s, waiting for: {what}"


def _poll(file: int | HasFileno, seconds: float) -> int:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return dict(poll.poll(seconds * 1000)).get(file if isinstance(file, int) else file.fileno(), 0)
