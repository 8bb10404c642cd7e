# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks directories as in use by locking them: a lock disappears with its process, however that ends.

A directory without a lock was left behind by a killed run, and may be removed.
Source: flock(2). A lock belongs to an open directory, which child programs do not inherit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from vm.errors import VmError

HIDDEN = ".fapitest-"
"""Prefix of the names of directories that are being created or removed."""

ATTEMPTS = 20
"""Attempts to create and lock a directory; another process may remove it as a leftover before it is locked."""


def claim(directory: Path, *, alone: bool) -> int | None:
    """Lock a directory, shared or exclusively; return the descriptor to close, or None if it is gone or locked."""
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(held, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), directory.lstat()):
            return held
    except OSError:
        pass
    os.close(held)
    return None


def make(parent: Path, prefix: str) -> tuple[Path, int]:
    """Create a directory with a unique name and lock it; return it and the descriptor to close after its removal.

    Raises:
        OSError: it cannot be created.
        VmError: the file system of `parent` has no locks.
    """
    for _ in range(ATTEMPTS):
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        if (held := claim(directory, alone=True)) is not None:
            return directory, held
        shutil.rmtree(directory, ignore_errors=True)
    raise VmError(f"no directory below {parent} can be locked; its file system must know flock(2)")


def remove(directory: Path) -> int | None:
    """Remove an unlocked directory; return its size in bytes, or None if it is in use or belongs to another user."""
    held = claim(directory, alone=True)
    if held is None:
        return None
    try:
        if os.fstat(held).st_uid != os.geteuid():
            return None
        size = disk_usage(directory)
        # Rename it first: a process that makes the same entry anew finds either all of it or nothing.
        if not directory.name.startswith(HIDDEN):
            directory = directory.rename(tempfile.mkdtemp(prefix=HIDDEN, dir=directory.parent))
        shutil.rmtree(directory, ignore_errors=True)
        return size
    finally:
        os.close(held)


def destroy(directory: Path) -> None:
    """Remove a directory in which others may still make files: they no longer find it."""
    with contextlib.suppress(OSError):
        directory = directory.rename(directory.with_name(f"{HIDDEN}{directory.name}"))
    shutil.rmtree(directory, ignore_errors=True)


def sweep(parent: Path, pattern: str) -> dict[Path, int]:
    """Remove the unlocked directories in `parent` with names like `pattern`; return them with their sizes."""
    removed = {path: remove(path) for path in parent.glob(pattern) if path.is_dir()}
    return {path: size for path, size in removed.items() if size is not None}


def disk_usage(path: Path) -> int:
    """Return the disk usage of a file, or of a directory with everything below it, in bytes."""
    size = 0
    for directory, _, files in os.walk(path):
        for name in files:
            try:
                size += os.lstat(os.path.join(directory, name)).st_blocks * 512  # noqa: PTH118  walked by name
            except OSError:
                continue
    return size or (path.lstat().st_blocks * 512 if path.is_file() else 0)
