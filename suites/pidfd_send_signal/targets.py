# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that take SIGUSR1 without dying of it, and what they say of it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.actors import Act, Actor, in_turn
from helpers.waiting import scaled

SIGNAL = signal.SIGUSR1
DEADLINE = 5
"""Seconds until a signal must have arrived, before scaling."""


def block() -> None:
    """Let SIGUSR1 wait until it is asked for; threads that are started later do the same."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})


def take() -> dict[str, int]:
    """Wait for SIGUSR1, and return what it says."""
    info = signal.sigtimedwait({SIGNAL}, scaled(DEADLINE))
    assert info, f"no {SIGNAL.name} came"
    return {name: getattr(info, name) for name in ("si_code", "si_pid", "si_uid", "si_status")}


@contextmanager
def taker(make: Callable[[Act], int] | None = None) -> Iterator[Actor]:
    """Have a child which lets SIGUSR1 wait, and takes one when it acts, and says what it was told."""
    with Actor(in_turn(block, take), make=make) as actor:
        actor.act()
        yield actor


def pending(process: int, thread: int) -> tuple[bool, bool]:
    """Tell whether SIGUSR1 waits for a thread alone, and whether for its process (proc_pid_status(5))."""
    text = Path(f"/proc/{process}/task/{thread}/status").read_text("ascii")
    lines = dict(line.split(":\t", 1) for line in text.splitlines())
    of_thread, of_process = (int(lines[name], 16) >> SIGNAL - 1 & 1 for name in ("SigPnd", "ShdPnd"))
    return bool(of_thread), bool(of_process)
