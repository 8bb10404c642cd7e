# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that were sent to this machine for VMs, cached by content so that they are sent only once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from vm import cache, claims
from vm.errors import VmError

ROOM = 2 << 30
"""Maximum bytes of cached files; beyond it, the least recently used ones that are not in use are removed."""

CONTENT = "content"

making: set[Path] = set()
"""The directories in which this process is making entries."""


def _entry(digest: str) -> Path:
    return cache.root() / cache.PARTS / digest


def find(digest: str) -> Path | None:
    """Return the file with this SHA-256, in hexadecimal, or None; the file is kept until this process ends."""
    entry = _entry(digest)
    if cache.stored(entry) is None or not cache.hold(entry):
        return None
    os.utime(entry)
    return entry / CONTENT


def keep(digest: str, chunks: Iterable[bytes]) -> Path:
    """Store a file that is received in chunks, and return its path.

    Raises:
        VmError: the content has another digest, or the cache cannot be written.
    """
    found = hashlib.sha256()
    with cache.storing(_entry(digest), {}) as directory:
        making.add(directory)
        with (directory / CONTENT).open("wb") as file:
            for chunk in chunks:
                found.update(chunk)
                file.write(chunk)
        if found.hexdigest() != digest:
            raise VmError("a file was damaged on its way")
    cache.hold(_entry(digest))
    _bound()
    return _entry(digest) / CONTENT


def _bound() -> None:
    size = 0
    for entry in cache.by_last_use((cache.root() / cache.PARTS).glob("[!.]*")):
        size += claims.disk_usage(entry)
        if size > ROOM:
            claims.remove(entry)
