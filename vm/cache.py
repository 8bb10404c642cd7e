# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's cache: kernels, guest images, what was learnt of this machine. Safe for two runs at once."""

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
"""The directories of the cache that hold entries made by `storing`."""

PATIENCE = 3.0
"""Seconds of waiting for another run after which that is said."""

_held: dict[tuple[int, int], int] = {}


def root() -> Path:
    """Return the cache directory: ``$FAPITEST_CACHE``, else the user's cache directory for fapitest.

    Raises:
        VmError: it can not be made or written.
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
    """Turn a full or read-only cache into one clear line."""
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
    """Hold the cache's lock `name`: of two runs that need the same thing the second waits and finds it made."""
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
    """Hold the cache's lock `name` if nobody does; tell whether that is so."""
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
    """Keep an entry from being removed until this process ends; False when it is not there any more."""
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
    """Remove entries but for those in use and the `keep` that were used last, which their time tells."""
    for entry in by_last_use(entries)[keep:]:
        claims.remove(entry)


def by_last_use(entries: Iterable[Path]) -> list[Path]:
    """Return entries, the one that was used last first."""
    return sorted((entry for entry in entries if entry.is_dir()), key=_last_used, reverse=True)


def _last_used(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def sweep() -> dict[Path, int]:
    """Remove what was being made when a run was cut off; return the directories and their sizes in bytes."""
    removed: dict[Path, int] = {}
    for room in ROOMS:
        removed |= claims.sweep(root() / room, f"{claims.HIDDEN}*")
    return removed


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def stored(directory: Path) -> dict[str, Any] | None:
    """Return the facts kept with `directory` when all its files are there, complete and undamaged; else None."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
        intact = all(_unchanged(directory / name, expected) for name, expected in manifest["files"].items())
        return manifest["facts"] if intact else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unchanged(path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether a file is what was stored; the expensive digest is only taken when size or time have changed."""
    status = path.stat()
    if status.st_size != expected["size"]:
        return False
    return bool(status.st_mtime_ns == expected["mtime_ns"] or digest(path) == expected["sha256"])


@contextlib.contextmanager
def making(directory: Path) -> Iterator[Path]:
    """Give an empty directory to fill, on the way to be `directory` or another beside it; `settle` brings it there.

    What is not settled is removed, by the next run if need be.
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
    """Let a filled directory replace `directory` as a whole, with a manifest of its files."""
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
    """Give an empty directory to fill; once filled it replaces `directory` as a whole, with a manifest of its files.

    `facts` may still be filled in while the directory is being made.
    """
    with making(directory) as made:
        yield made
        settle(made, directory, facts)
