# SPDX-License-Identifier: GPL-2.0-or-later
"""Removes what this project has written into the cache, except entries in use and files of others."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vm import cache, claims, scratch

_MARKS = {
    # directory: (pattern of its entries, the file that identifies one, the lock that is held while one is changed)
    "apt": ("*", "sources.list", "apt-{}"),
    "reference": ("*", "source.json", "reference-{}"),
    "bytecode": ("[0-9a-f]*", "stamp", "bytecode"),
}


@dataclass(frozen=True)
class Removal:
    """The result for one entry.

    Attributes:
        path: the entry.
        size: bytes freed; None if the entry was kept.
        reason: why it was kept.
    """

    path: Path
    size: int | None
    reason: str = ""


def clean() -> Iterator[Removal]:
    """Remove the whole cache, and what killed runs have left behind; yield the result for each entry."""
    for path, size in (cache.sweep() | scratch.sweep()).items():
        yield Removal(path, size)
    for room in cache.ROOMS:
        yield from map(_entry, _visible(cache.root() / room))
    for room, (pattern, mark, lock) in _MARKS.items():
        for entry in _visible(cache.root() / room, pattern):
            yield _marked(entry, mark, lock.format(entry.name))
    yield from map(_answer, _visible(cache.root() / "kvm", "*.json"))
    for room in (*cache.ROOMS, *_MARKS, "kvm"):
        with contextlib.suppress(OSError):
            (cache.root() / room).rmdir()
    known = {*cache.ROOMS, *_MARKS, "kvm"}
    for path in _visible(cache.root()):
        if path.name not in known and path.suffix != ".lock":
            yield Removal(path, None, "not of this project")


def _visible(room: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in room.glob(pattern) if not path.name.startswith("."))


def _entry(entry: Path) -> Removal:
    """Remove an entry made by `cache.storing`, unless it has foreign files."""
    try:
        files = {*json.loads((entry / cache.MANIFEST).read_text())["files"], cache.MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        files = set()
    if not files or {path.name for path in entry.iterdir()} - files:
        return Removal(entry, None, "holds what is not of this project")
    size = claims.remove(entry)
    return Removal(entry, size, "in use" if size is None else "")


def _marked(entry: Path, mark: str, lock: str) -> Removal:
    if not (entry / mark).is_file():
        return Removal(entry, None, "not of this project")
    with cache.lock_if_free(lock) as free:
        if not free:
            return Removal(entry, None, "in use")
        size = claims.disk_usage(entry)
        shutil.rmtree(entry)
        return Removal(entry, size)


def _answer(file: Path) -> Removal:
    size = claims.disk_usage(file)
    file.unlink()
    return Removal(file, size)
