# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states of VMs: a guest whose Python has just become ready, in a file, from which it can be restored quickly.

A state is valid for one kernel, guest image, QEMU and QEMU command line; its key includes all of them.
Source: QEMU's docs/devel/migration and docs/interop/qmp-spec.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from vm.errors import VmError

DEADLINE = 60.0
"""Timeout in seconds for QEMU to answer, and to save or restore a state."""

FILE_URI_SINCE = (8, 2)
"""The first QEMU release that can read a state from a file by path; older ones need an open descriptor."""


class Monitor:
    """QEMU's control socket (QMP)."""

    def __init__(self, path: Path) -> None:
        """Connect to the socket at `path`. Raises OSError, or VmError if QEMU ended meanwhile."""
        with contextlib.ExitStack() as opened:
            self._socket = opened.enter_context(socket.socket(socket.AF_UNIX))
            self._socket.settimeout(DEADLINE)
            self._socket.connect(str(path))
            self._lines = opened.enter_context(self._socket.makefile("r"))
            self._lines.readline()
            self.execute("qmp_capabilities")
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the monitor."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._opened.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run one command and return its result. Raises VmError with QEMU's message, OSError if QEMU has ended."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while line := self._lines.readline():
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise VmError(f"QEMU refused {command}: {answer['error']['desc']}")
        raise VmError(f"QEMU ended instead of answering {command}")


def save(monitor: Monitor, target: Path, stream: Path) -> None:
    """Write the state of a VM to `target`, through a socket at `stream`; the VM is paused meanwhile.

    Raises:
        VmError: QEMU failed.
        OSError: the file cannot be written.
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stream))
        stream.chmod(0o666)  # QEMU may run as another user; no third user can reach the directory
        server.listen(1)
        server.settimeout(DEADLINE)
        monitor.execute("stop")
        try:
            monitor.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
            monitor.execute("migrate", uri=f"unix:{stream}")
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            if (status := monitor.execute("query-migrate").get("status")) != "completed":
                raise VmError(f"QEMU could not save the state: {status}")
        finally:
            stream.unlink(missing_ok=True)
            monitor.execute("cont")


def wait_restored(path: Path, alive: Callable[[], bool]) -> None:
    """Wait until the VM with the control socket at `path` is restored, and resume it.

    Raises:
        VmError: it ended instead.
    """
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and alive():
        try:
            with Monitor(path) as monitor:
                while monitor.execute("query-status")["status"] == "inmigrate":
                    if time.monotonic() > deadline:
                        raise VmError(f"QEMU did not restore a saved state within {DEADLINE:.0f} s")
                    time.sleep(0.01)
                monitor.execute("cont")  # a state is saved, and so restored, paused
                return
        except OSError:
            time.sleep(0.01)  # the socket does not exist yet
    raise VmError("QEMU ended while it restored a saved state")
