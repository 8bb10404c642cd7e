# SPDX-License-Identifier: GPL-2.0-or-later
"""Forwards a VM's port over a channel; both ends run the same code.

Each end has a limited window, so that a guest that floods its port blocks as on a local socket. A message has bytes of
the port; an empty one acknowledges that a message has been forwarded.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from queue import SimpleQueue
from typing import Any

from vm.remote.wire import CHUNK

WINDOW = 16
"""Maximum number of unacknowledged messages in one direction."""


class Stream:
    """Connects a socket with a channel until one of them ends; then closes the other."""

    def __init__(self, channel: Any, port: socket.socket) -> None:
        """Start; the stream owns the socket from now on."""
        self._channel = channel
        self._port = port
        self._room = threading.Semaphore(WINDOW)
        self._coming: SimpleQueue[bytes | None] = SimpleQueue()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._write)]
        for thread in self._threads:
            thread.start()
        channel.setcallback(self._take, endmarker=None)

    def _take(self, message: bytes | None) -> None:
        """Handle a message in the thread that reads the connection, which must not block."""
        if message == b"":
            self._room.release()
        elif message is not None and (len(message) > CHUNK or self._coming.qsize() > WINDOW):
            self._coming.put(None)  # the other end has exceeded the window
        else:
            self._coming.put(message)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._port.recv(CHUNK):
                self._room.acquire()
                if self._ended.is_set():
                    break
                self._channel.send(data)
        self.close()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._coming.get():
                self._port.sendall(data)
                self._channel.send(b"")
        self.close()

    def close(self) -> None:
        """Stop. Stopping again does nothing."""
        self._ended.set()
        self._room.release()
        self._coming.put(None)
        with contextlib.suppress(OSError):
            self._port.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._channel.close()

    def join(self) -> None:
        """Wait briefly for the threads to end, and close the socket."""
        for thread in self._threads:
            thread.join(1)  # a thread that sends may be blocked on a stuck connection
        self._port.close()
