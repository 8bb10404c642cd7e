# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries a VM's port over a channel, as it is; the same code at both ends.

Neither end is sent more than it has room for, so that a guest which floods its port waits as it would wait for a local
socket. A message is bytes of the port; an empty one tells that one has been passed on.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from queue import SimpleQueue
from typing import Any

from vm.remote.wire import CHUNK

WINDOW = 16
"""How many messages may be on their way in one direction."""


class Stream:
    """Joins a socket with a channel until one of them ends; then the other ends too."""

    def __init__(self, channel: Any, port: socket.socket) -> None:
        """Begin; the socket is the stream's from now on."""
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
        """Take a message, in the thread that reads the connection, which must never wait."""
        if message == b"":
            self._room.release()
        elif message is not None and (len(message) > CHUNK or self._coming.qsize() > WINDOW):
            self._coming.put(None)  # the other end does not keep to the window
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
        """End; once is enough, more does no harm."""
        self._ended.set()
        self._room.release()
        self._coming.put(None)
        with contextlib.suppress(OSError):
            self._port.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._channel.close()

    def join(self) -> None:
        """Wait a moment until nothing of it is left, and close the socket."""
        for thread in self._threads:
            thread.join(1)  # one that sends may wait for a connection that is stuck
        self._port.close()
