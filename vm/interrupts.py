# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C while Python is still importing: prints one line, instead of a traceback, and exits like an interrupted run.

This module imports nothing that takes time. Until it is imported, Python or pytest handles Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

INTERRUPTED = 2
"""Exit code of a command or a run that was interrupted; pytest's too."""

LINE = "fapitest: interrupted"


def end_at_once() -> None:
    """Make Ctrl-C exit this process at once, until `heed`: there is nothing to clean up yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with contextlib.suppress(ValueError):  # only the main thread gets signals
            signal.signal(signal.SIGINT, _end)


def heed() -> None:
    """Make Ctrl-C raise KeyboardInterrupt from now on: there is code to handle it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, _frame: object) -> None:
    os.write(2, f"{LINE}\n".encode())
    # git bisect run treats 2 as a verdict, and aborts on the exit code that a shell has for an interrupted command.
    os._exit(128 + number if "--bisect" in sys.argv else INTERRUPTED)


pytest_addoption = end_at_once
"""The first hook that pytest calls, as soon as it has loaded the plugin."""
