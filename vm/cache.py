# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's cache: kernels, guest images, and facts about this machine. Safe for concurrent runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from vm import claims
from vm.errors import VmError

MANIFEST = "manifest.json"
PARTS = "parts"
ROOMS = ("kernels", "custom", "states", "base", PARTS)
"""The directories of the cache whose entries are made by `storing`."""

PATIENCE = 3.0
"""Seconds of waiting for another run after which a notice is shown."""

_held: dict[tuple[int, int], int] = {}


def root() -> Path:
    """Return the cache directory: ``$FAPITEST_CACHE``, else the user's cache directory for fapitest.

    Raises:
        VmError: it cannot be created or written.
    """
    path = Path(os.environ.get("FAPITEST_CACHE") or platformdirs.user_cache_dir("fapitest"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VmError(
            f"the cache directory {path} can not be made: {error.strerror}; set FAPITEST_CACHE to another"
        ) from error
    return path


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Turn the error of a full or read-only cache into a VmError."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        raise VmError(
            f"the cache {root()} can not be written: {error.strerror or error}; "
            "make room (python -m vm clean) or set FAPITEST_CACHE to another directory"
        ) from error


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the cache's lock `name`: if two runs need the same entry, the second waits for the first to make it."""
    with writing():
        held = _lock(name)
        try:
            held.acquire(timeout=PATIENCE)
        except filelock.Timeout:
            print(f"fapitest: waiting for another run, which has {name}", file=sys.stderr, flush=True)
            held.acquire()
    try:
        yield
    finally:
        held.release()


def _lock(name: str) -> filelock.BaseFileLock:
    return filelock.FileLock(root() / f"{name.replace('/', '-')}.lock")


@contextlib.contextmanager
def lock_if_free(name: str) -> Iterator[bool]:
    """Hold the cache's lock `name` unless another process does; yield whether it is held."""
    held = _lock(name)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def hold(directory: Path) -> bool:
    """Keep an entry from being removed until this process ends; return False if it no longer exists."""
    descriptor = claims.claim(directory, alone=False)
    if descriptor is None:
        return False
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) in _held:
        os.close(descriptor)
    else:
        _held[status.st_dev, status.st_ino] = descriptor
    return True


def prune(entries: Iterable[Path], keep: int) -> None:
    """Remove all entries except those in use and the `keep` most recently used ones, by their modification time."""
    for entry in by_last_use(entries)[keep:]:
        claims.remove(entry)


def by_last_use(entries: Iterable[Path]) -> list[Path]:
    """Return entries, the most recently used one first."""
    return sorted((entry for entry in entries if entry.is_dir()), key=_last_used, reverse=True)


def _last_used(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def sweep() -> dict[Path, int]:
    """Remove what killed runs left unfinished; return the directories and their sizes in bytes."""
    removed: dict[Path, int] = {}
    for room in ROOMS:
        removed |= claims.sweep(root() / room, f"{claims.HIDDEN}*")
    return removed


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def stored(directory: Path) -> dict[str, Any] | None:
    """Return the facts stored with `directory` if all its files are complete and undamaged, else None."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
        intact = all(_unchanged(directory / name, expected) for name, expected in manifest["files"].items())
        return manifest["facts"] if intact else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unchanged(path: Path, expected: Mapping[str, Any]) -> bool:
    """Return whether a file is unchanged; the digest, which is expensive, is only computed if its time has changed."""
    status = path.stat()
    if status.st_size != expected["size"]:
        return False
    return bool(status.st_mtime_ns == expected["mtime_ns"] or digest(path) == expected["sha256"])


@contextlib.contextmanager
def making(directory: Path) -> Iterator[Path]:
    """Yield an empty directory to fill, which `settle` then renames to `directory` or to another beside it.

    A directory that is not settled is removed, if necessary by the next run.
    """
    with writing():
        directory.parent.mkdir(parents=True, exist_ok=True)
        made, held = claims.make(directory.parent, f"{claims.HIDDEN}{directory.name}-")
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
            os.close(held)


def settle(made: Path, directory: Path, facts: Mapping[str, Any]) -> None:
    """Replace `directory` atomically by a filled directory, with a manifest of its files."""
    files = {
        path.name: {
            "sha256": digest(path),
            "size": path.stat().st_size,
            "mtime_ns": path.stat().st_mtime_ns,
        }
        for path in sorted(made.iterdir())
    }
    (made / MANIFEST).write_text(json.dumps({"facts": facts, "files": files}, indent=1) + "\n")
    replaced = Path(f"{made}-old")
    with contextlib.suppress(FileNotFoundError):
        directory.rename(replaced)
    made.rename(directory)
    shutil.rmtree(replaced, ignore_errors=True)


@contextlib.contextmanager
def storing(directory: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """Yield an empty directory to fill; then replace `directory` by it atomically, with a manifest of its files.

    `facts` may be changed until then.
    """
    with making(directory) as made:
        yield made
        settle(made, directory, facts)
