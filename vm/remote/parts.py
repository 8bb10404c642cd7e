# SPDX-License-Identifier: GPL-2.0-or-later
"""What was sent to this machine for VMs to boot, kept in the cache by its content: it need not be sent again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from vm import cache, claims
from vm.errors import VmError

ROOM = 2 << 30
"""Bytes that parts may take; of more, those go that were used last the longest ago and are in nobody's use."""

CONTENT = "content"

making: set[Path] = set()
"""The directories in which this process is making entries."""


def _entry(digest: str) -> Path:
    return cache.root() / cache.PARTS / digest


def find(digest: str) -> Path | None:
    """Return the file of this content (SHA-256 in hexadecimal), which stays until this process ends; or None."""
    entry = _entry(digest)
    if cache.stored(entry) is None or not cache.hold(entry):
        return None
    os.utime(entry)
    return entry / CONTENT


def keep(digest: str, chunks: Iterable[bytes]) -> Path:
    """Keep a file that comes in pieces, and return where.

    Raises:
        VmError: it is not of that content, or the cache can not be written.
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
