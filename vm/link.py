# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of a VM's port: sends commands and reads events, always with a timeout."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from vm import protocol
from vm.protocol import Event, Nonsense

LONGEST = 1e7
"""Seconds: the socket's timeout if there is no limit."""

_CHUNK = 1 << 16


class Silence(Exception):  # noqa: N818  named after what happened
    """A timeout: nothing was received, or nothing could be sent, in time."""


class Gone(Exception):  # noqa: N818
    """The other end has closed the connection."""


class Link:
    """A connection to the guest; it must have only one reader."""

    def __init__(self, port: Path | socket.socket) -> None:
        """Connect to QEMU's socket at this path, or use a connected socket. Raises Gone."""
        self._buffer = bytearray()
        self._searched = 0
        self._volume = 0
        if isinstance(port, socket.socket):
            self._socket = port
            return
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(port))
        except OSError as error:
            self._socket.close()
            raise Gone(f"the VM's port can not be reached: {error.strerror}") from error

    def __enter__(self) -> Self:
        """Return the link."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._socket.close()

    def begin(self, order: bytes, patience: float) -> None:
        """Send the order to a guest that is ready. Raises Silence."""
        self._send(order, patience)

    def run(self, indices: Sequence[int], patience: float) -> None:
        """Tell the guest to run these of its tests. Raises Silence."""
        self._send(protocol.line("run", indices=list(indices)), patience)

    def shutdown(self, patience: float) -> None:
        """Tell the guest that there are no more tests. Raises Silence."""
        self._send(protocol.line("shutdown"), patience)

    def _send(self, data: bytes, patience: float) -> None:
        self._socket.settimeout(min(patience, LONGEST))
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise Silence(f"the guest did not take what it was sent within {patience:.0f} s") from None
        except OSError:
            return  # the guest is gone: the reader gets its remaining events, then Gone

    def receive(self, patience: float) -> Event:
        """Return the next event; `patience` is the timeout in seconds.

        Raises:
            Silence: the timeout expired.
            Gone: the guest has ended.
            Nonsense: the guest sent something that is not an event.
        """
        return protocol.event(self._line(time.monotonic() + patience))

    def rest(self, patience: float, most: int = protocol.LINE) -> bytes:
        """Return everything that the guest still sends until it ends, as bytes. Raises Silence, Nonsense."""
        deadline = time.monotonic() + patience
        try:
            while len(self._buffer) <= most:
                self._read(deadline)
        except Gone:
            return bytes(self._buffer)
        raise Nonsense(f"more than {most} bytes")

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > protocol.LINE:
                raise Nonsense(f"a line of more than {protocol.LINE >> 20} MiB")
            self._read(deadline)
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return found

    def _read(self, deadline: float) -> None:
        # Never 0: data that has already arrived must be read even after the deadline, since the host may have stalled.
        self._socket.settimeout(min(max(0.001, deadline - time.monotonic()), LONGEST))
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise Silence("no sign of life") from None
        except OSError as error:
            raise Gone(str(error.strerror)) from error
        if not data:
            raise Gone("the connection has ended")
        self._buffer += data
        self._volume += len(data)
        if self._volume > protocol.VOLUME:
            raise Nonsense(f"more than {protocol.VOLUME >> 20} MiB in all")
