# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells each machine that the other is still there: a cut connection says nothing, for hours if need be.

The same code at both ends. Who has heard nothing for `SILENCE` takes the other for lost.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

BEAT = 5.0
"""Seconds between two signs of life."""

SILENCE = 30.0
"""Seconds without one after which the other machine is lost."""


class Pulse:
    """Gives signs of life, and waits for those of the other side."""

    def __init__(self, channel: Any, over: Callable[[str], None]) -> None:
        """Begin; `over` is called once, from a thread, with why the other side is taken for lost."""
        self._channel = channel
        self._over = over
        self._ended = threading.Event()
        # Each in a thread of its own: where the connection is stuck, sending waits.
        for work in (self._give, self._hear):
            threading.Thread(target=work, daemon=True, name="pulse").start()

    def _give(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended.wait(BEAT):
                self._channel.send(b"")

    def _hear(self) -> None:
        try:
            while not self._ended.is_set():
                self._channel.receive(SILENCE)
        except EOFError:
            why = "the connection has ended"
        except Exception:  # noqa: BLE001  execnet's TimeoutError among others
            why = f"no sign of life for {SILENCE:.0f} s"
        else:
            return
        if not self._ended.is_set():
            self._over(why)

    def stop(self) -> None:
        """Give no more signs of life, and wait for none."""
        self._ended.set()
