# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on their way from a guest to its kernel's directory on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vm.interactor import Channel


class Outbox:
    """Keeps files until they are sent, which is when a test has ended."""

    def __init__(self, channel: Channel) -> None:
        """Send through the channel to the host."""
        self._channel = channel
        self._waiting: list[tuple[str, bytes]] = []

    def put(self, name: str, content: bytes) -> None:
        """Let a file of that name and content be sent with the next ones; vm/protocol.py says which names may be."""
        self._waiting.append((name, content))

    def send(self) -> None:
        """Send what was put in."""
        if self._waiting:
            self._channel.tell_files(self._waiting)
            self._waiting = []
