# SPDX-License-Identifier: GPL-2.0-or-later
"""The first that runs on another machine: takes the project's code for the outpost, which is kept in memory alone."""

from __future__ import annotations

import os
import sys
from typing import Any


def land(channel: Any) -> None:
    """Take an archive of Python files, and import from it from now on; answer with what went wrong, or nothing."""
    try:
        archive = os.memfd_create("fapitest")
        with open(archive, "wb", closefd=False) as file:
            file.write(channel.receive())
        sys.path.insert(0, f"/proc/self/fd/{archive}")
        from vm.remote import outpost  # noqa: PLC0415

        outpost.settle()
    except Exception as error:  # noqa: BLE001  the other side puts it in words
        channel.send(f"{type(error).__name__}: {error}".encode())
    else:
        channel.send(b"")


if __name__ == "__channelexec__":
    land(channel)  # type: ignore[name-defined]  # noqa: F821  execnet gives it
