# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C while Python still imports: one line and the exit code of an interrupted run, where Python has a traceback.

It needs nothing that takes time to import. Before Python has come this far, Ctrl-C is Python's or pytest's own.
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
    """Let Ctrl-C end this process until `heed`: nothing was begun that would have to be undone."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with contextlib.suppress(ValueError):  # another thread than the first gets no signals
            signal.signal(signal.SIGINT, _end)


def heed() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on: there is somebody to catch it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, _frame: object) -> None:
    os.write(2, f"{LINE}\n".encode())
    # git bisect run takes 2 for a verdict, and what a shell says of an interrupted command for a reason to stop.
    os._exit(128 + number if "--bisect" in sys.argv else INTERRUPTED)


pytest_addoption = end_at_once
"""pytest's first call to a plugin, which it makes as soon as it has loaded it."""
