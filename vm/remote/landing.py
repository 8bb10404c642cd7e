# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs first on another machine: receives the project's code for the outpost, and keeps it in memory only."""

from __future__ import annotations

import os
import sys
from typing import Any


def land(channel: Any) -> None:
    """Receive an archive of Python files and import from it from now on; answer with the error, or b""."""
    try:
        archive = os.memfd_create("fapitest")
        with open(archive, "wb", closefd=False) as file:
            file.write(channel.receive())
        sys.path.insert(0, f"/proc/self/fd/{archive}")
        from vm.remote import outpost  # noqa: PLC0415

        outpost.settle()
    except Exception as error:  # noqa: BLE001  the other side reports it
        channel.send(f"{type(error).__name__}: {error}".encode())
    else:
        channel.send(b"")


if __name__ == "__channelexec__":
    land(channel)  # type: ignore[name-defined]  # noqa: F821  execnet gives it
