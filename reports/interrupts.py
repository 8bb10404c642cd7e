# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C while Python still imports: one line and an exit code, where Python has a traceback.

It needs nothing that takes time to import. Before Python has come this far, Ctrl-C is Python's own.
"""

import os
import signal

INTERRUPTED = 2
"""Exit code of a command that was interrupted."""

LINE = "reports: interrupted"


def end_at_once() -> None:
    """Let Ctrl-C end this process until `heed`: nothing was begun that would have to be undone."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def heed() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on: there is somebody to catch it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, f"{LINE}\n".encode())
    os._exit(INTERRUPTED)
