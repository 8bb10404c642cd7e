# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings in /proc/sys, and restoring them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

FANOTIFY = Path("/proc/sys/fs/fanotify")
"""System-wide limits, fanotify(7) "/proc interfaces"."""

USER = Path("/proc/sys/user")
"""Limits of the user namespace of the process that opens the file, namespaces(7)."""


def read(path: Path) -> int:
    """Return the value of a setting."""
    return int(path.read_bytes())


def write(path: Path, value: int) -> None:
    """Change a setting without restoring it, in a namespace that ends with its process."""
    path.write_bytes(b"%d\n" % value)


@contextlib.contextmanager
def setting(path: Path, value: int) -> Iterator[None]:
    """Change a setting for the body of a `with`, then restore it."""
    before = read(path)
    try:
        write(path, value)
        yield
    finally:
        write(path, before)
