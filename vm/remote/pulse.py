# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep-alive messages between two machines: TCP may take hours to notice that a connection is dead.

Both ends run the same code. If one receives nothing for `SILENCE` seconds, it considers the other lost.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

BEAT = 5.0
"""Seconds between two keep-alive messages."""

SILENCE = 30.0
"""Timeout in seconds after which the other machine is lost."""


class Pulse:
    """Sends keep-alive messages, and waits for those of the other side."""

    def __init__(self, channel: Any, over: Callable[[str], None]) -> None:
        """Start; if the other side is lost, `over` is called once, from a thread, with the reason."""
        self._channel = channel
        self._over = over
        self._ended = threading.Event()
        # Two threads, because sending blocks if the connection is stuck.
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
        """Stop sending and waiting."""
        self._ended.set()
