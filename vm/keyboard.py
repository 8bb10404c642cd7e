# SPDX-License-Identifier: GPL-2.0-or-later
"""Types the contents of a pipe or a file on a VM's console, then Ctrl-D, so that the VM ends with its input."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from typing import IO

END_OF_FILE = b"\x15\x04"
"""Ctrl-U and Ctrl-D: an empty line, and the end of the input (termios(3), VKILL and VEOF)."""

AGAIN = 1.0
"""Seconds until it is repeated: the first may end only an inner shell, or come before the shell reads."""


def is_a_terminal() -> bool:
    """Return whether standard input is a terminal, which QEMU then reads itself."""
    return sys.stdin is not None and sys.stdin.isatty()


def type_for(process: subprocess.Popen[bytes]) -> None:
    """Start typing into QEMU's standard input, a pipe, until QEMU has ended; return at once."""
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
