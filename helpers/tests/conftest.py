# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of processes have in common."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def _children() -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            before, _, after = stat.read_text(errors="replace").rpartition(")")
            if int(after.split()[1]) == os.getpid():
                found.add(int(before.partition(" ")[0]))
    return found


@pytest.fixture
def children() -> Callable[[], set[int]]:
    """Give a way to list this process's children, also those that nobody has reaped; see proc_pid_stat(5)."""
    return _children
