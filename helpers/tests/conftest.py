# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures for tests of processes."""

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
    """Return a function that lists this process's children, including zombies; see proc_pid_stat(5)."""
    return _children
