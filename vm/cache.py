# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's cache: kernels, guest images, what was learnt of this machine. Safe for two runs at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from vm.errors import VmError

MANIFEST = "manifest.json"


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
        held = filelock.FileLock(root() / f"{name.replace('/', '-')}.lock")
        held.acquire()
    try:
        yield
    finally:
        held.release()


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
def storing(directory: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """Give an empty directory to fill; once filled it replaces `directory` as a whole, with a manifest of its files.

    `facts` may still be filled in while the directory is being made.
    """
    with writing():
        directory.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        try:
            yield making
            files = {
                path.name: {
                    "sha256": digest(path),
                    "size": path.stat().st_size,
                    "mtime_ns": path.stat().st_mtime_ns,
                }
                for path in sorted(making.iterdir())
            }
            (making / MANIFEST).write_text(json.dumps({"facts": facts, "files": files}, indent=1) + "\n")
            if directory.exists():
                shutil.rmtree(directory)
            making.rename(directory)
        finally:
            shutil.rmtree(making, ignore_errors=True)
