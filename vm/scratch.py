# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories of a VM's own, for its sockets and all that ends with it; what a killed run leaves, the next removes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from vm import claims
from vm.errors import VmError

PREFIX = "fapitest-vm-"
LONGEST_SOCKET = 107
"""Bytes of a unix socket's path, unix(7)."""

_BELOW = len(f"/{PREFIX}12345678/vm/gateway")


def _candidates() -> list[Path]:
    places = (tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR", ""))  # noqa: S108  mkdtemp follows
    return list(dict.fromkeys(Path(place) for place in places if place))


def _fits(place: Path) -> bool:
    short = len(os.fsencode(place)) + _BELOW <= LONGEST_SOCKET
    return short and place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def place() -> Path:
    """Return the directory for VMs' scratch directories: TMPDIR, or where that is too long for a socket, another.

    Raises:
        VmError: no directory has a path that is short enough.
    """
    if found := next(filter(_fits, _candidates()), None):
        return found
    raise VmError(
        f"no directory for the sockets of VMs: the path of TMPDIR ({tempfile.gettempdir()}) may have "
        f"{LONGEST_SOCKET - _BELOW} bytes at most, and /tmp can not be written; set TMPDIR to another"
    )


_made: set[Path] = set()
"""Those of this process that there are."""
_guard = threading.Lock()
_over = threading.Event()


class Scratch:
    """A directory that is removed with what is in it.

    Attributes:
        path: the directory; its path is short enough for unix sockets in it.
    """

    def __init__(self) -> None:
        """Make it. Raises VmError or OSError when that is not possible."""
        with _guard:
            if _over.is_set():
                raise VmError("this process is about to end")
            self.path, self._held = claims.make(place(), PREFIX)
            _made.add(self.path)

    def remove(self) -> None:
        """Remove it; once is enough, more does no harm."""
        shutil.rmtree(self.path, ignore_errors=True)
        _made.discard(self.path)
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """Give a scratch directory."""
    scratch = Scratch()
    try:
        yield scratch.path
    finally:
        scratch.remove()


def end() -> None:
    """Remove those of this process, which can make no more: it is about to end, whatever its threads do meanwhile."""
    with _guard:
        _over.set()
    for path in list(_made):
        claims.destroy(path)


def sweep() -> dict[Path, int]:
    """Remove what runs have left that were cut off; return the directories and their sizes in bytes."""
    removed: dict[Path, int] = {}
    for candidate in _candidates():
        for name in (PREFIX, f"{claims.HIDDEN}{PREFIX}"):
            removed |= claims.sweep(candidate, f"{name}*")
    return removed
