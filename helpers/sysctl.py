# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel settings in /proc/sys, put back as soon as they are no longer needed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

FANOTIFY = Path("/proc/sys/fs/fanotify")
"""Limits of the machine, fanotify(7) "/proc interfaces"."""

USER = Path("/proc/sys/user")
"""Limits of the user namespace of whoever opens the file, namespaces(7)."""


def read(path: Path) -> int:
    """Return a number."""
    return int(path.read_bytes())


def write(path: Path, value: int) -> None:
    """Set a number for good: in a namespace that ends with its process."""
    path.write_bytes(b"%d\n" % value)


@contextlib.contextmanager
def setting(path: Path, value: int) -> Iterator[None]:
    """Set a number for the body of a `with`."""
    before = read(path)
    try:
        write(path, value)
        yield
    finally:
        write(path, before)
