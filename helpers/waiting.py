# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition with a deadline: the only place where time may pass."""

import os
import select
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

SLOW = float(os.environ.get("FAPITEST_SLOW", "1"))
"""How many times longer everything may take here; the host sets it for emulated machines."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.05


class DeadlinePassed(AssertionError):  # noqa: N818 - what happened
    """What had to happen did not happen in time."""


class HasFileno(Protocol):
    """Anything with a file descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


def scaled(seconds: float) -> float:
    """Return a time limit in seconds as this machine needs it."""
    return seconds * SLOW


def wait_until(condition: Callable[[], T], what: str, deadline: float = 5) -> T:
    """Poll the condition, with growing pauses, until it is true, and return its value.

    `deadline` is in seconds, before scaling. Raises DeadlinePassed naming `what`.
    """
    __tracebackhide__ = True
    end, pause = time.monotonic() + scaled(deadline), _FIRST_PAUSE
    while not (value := condition()):
        if time.monotonic() > end:
            raise DeadlinePassed(f"waited {scaled(deadline):g} s in vain: {what}")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return value


def is_readable(file: int | HasFileno) -> bool:
    """Tell whether poll(2) reports POLLIN right now."""
    return bool(_poll(file, 0) & select.POLLIN)


def readable(file: int | HasFileno, what: str, deadline: float = 5) -> None:
    """Wait until poll(2) reports anything for the descriptor; raise DeadlinePassed naming `what`."""
    __tracebackhide__ = True
    if not _poll(file, scaled(deadline)):
        raise DeadlinePassed(f"waited {scaled(deadline):g} s in vain: {what}")


def _poll(file: int | HasFileno, seconds: float) -> int:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return dict(poll.poll(seconds * 1000)).get(file if isinstance(file, int) else file.fileno(), 0)
