# SPDX-License-Identifier: GPL-2.0-or-later
"""Temporary directories of VMs, for sockets and other files; the next run removes those that a killed run has left."""

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
"""Maximum length of a unix socket's path in bytes, unix(7)."""

_BELOW = len(f"/{PREFIX}12345678/vm/gateway")


def _candidates() -> list[Path]:
    places = (tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR", ""))  # noqa: S108  mkdtemp follows
    return list(dict.fromkeys(Path(place) for place in places if place))


def _fits(place: Path) -> bool:
    short = len(os.fsencode(place)) + _BELOW <= LONGEST_SOCKET
    return short and place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def place() -> Path:
    """Return the parent of scratch directories: TMPDIR, or another directory if its path is too long for a socket.

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
"""The current directories of this process."""
_guard = threading.Lock()
_over = threading.Event()


class Scratch:
    """A directory that is removed with its contents.

    Attributes:
        path: the directory; its path is short enough for unix sockets in it.
    """

    def __init__(self) -> None:
        """Create the directory. Raises VmError or OSError."""
        with _guard:
            if _over.is_set():
                raise VmError("this process is about to end")
            self.path, self._held = claims.make(place(), PREFIX)
            _made.add(self.path)

    def remove(self) -> None:
        """Remove the directory. Removing it again does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        _made.discard(self.path)
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """Yield a scratch directory."""
    scratch = Scratch()
    try:
        yield scratch.path
    finally:
        scratch.remove()


def end() -> None:
    """Remove the directories of this process, and let its threads create no more: it is about to end."""
    with _guard:
        _over.set()
    for path in list(_made):
        claims.destroy(path)


def sweep() -> dict[Path, int]:
    """Remove the directories that killed runs have left; return them and their sizes in bytes."""
    removed: dict[Path, int] = {}
    for candidate in _candidates():
        for name in (PREFIX, f"{claims.HIDDEN}{PREFIX}"):
            removed |= claims.sweep(candidate, f"{name}*")
    return removed
