# SPDX-License-Identifier: GPL-2.0-or-later
"""Types at a VM's console what comes from a pipe or a file, and Ctrl-D when that has ended, so that the VM ends too."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from typing import IO

END_OF_FILE = b"\x15\x04"
"""Ctrl-U and Ctrl-D: an empty line, and the end of the input (termios(3), VKILL and VEOF)."""

AGAIN = 1.0
"""Seconds until it is typed again: whoever reads the first may not be the last, or may not listen yet."""


def is_a_terminal() -> bool:
    """Whether somebody can type at our own standard input: QEMU reads that itself then."""
    return sys.stdin is not None and sys.stdin.isatty()


def type_for(process: subprocess.Popen[bytes]) -> None:
    """Type for QEMU, whose standard input is a pipe, until it has ended; returns at once."""
    assert process.stdin
    arguments = (sys.stdin.buffer if sys.stdin else None, process.stdin, process)
    threading.Thread(target=_type, args=arguments, daemon=True, name="keyboard").start()


def _type(source: IO[bytes] | None, console: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # the VM has ended
        while source and (typed := source.readline()):
            console.write(typed.removesuffix(b"\n") + b"\n")
            console.flush()
        while process.poll() is None:
            console.write(END_OF_FILE)
            console.flush()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(AGAIN)
