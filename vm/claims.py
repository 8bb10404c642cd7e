# SPDX-License-Identifier: GPL-2.0-or-later
"""Which directories are in use: a lock on a directory, which ends with the process that holds it, however it ends.

What nobody holds is left over from a run that was cut off, and may be removed.
Source: flock(2); a lock belongs to an open directory, and programs that are started do not inherit it.
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
"""How the names begin of what is being made or removed beside other things."""

ATTEMPTS = 20
"""How often another process may take a new directory for a leftover before it is locked."""


def claim(directory: Path, *, alone: bool) -> int | None:
    """Lock a directory, with others or alone; return the descriptor to close, or None when it is gone or locked."""
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
    """Make a directory of a name of its own, locked; return it and the descriptor to close once it is removed.

    Raises:
        OSError: it can not be made.
        VmError: the file system of `parent` has no locks.
    """
    for _ in range(ATTEMPTS):
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        if (held := claim(directory, alone=True)) is not None:
            return directory, held
        shutil.rmtree(directory, ignore_errors=True)
    raise VmError(f"no directory below {parent} can be locked; its file system must know flock(2)")


def remove(directory: Path) -> int | None:
    """Remove a directory that nobody holds; return its size in bytes, or None when it is in use or not ours."""
    held = claim(directory, alone=True)
    if held is None:
        return None
    try:
        if os.fstat(held).st_uid != os.geteuid():
            return None
        size = disk_usage(directory)
        # Out of the way in one step: whoever makes the same entry anew finds either all of it or nothing.
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
    """Remove the directories in `parent` of names like `pattern` that nobody holds; return them with their sizes."""
    removed = {path: remove(path) for path in parent.glob(pattern) if path.is_dir()}
    return {path: size for path, size in removed.items() if size is not None}


def disk_usage(path: Path) -> int:
    """Return the bytes that a file, or a directory with all below it, takes on the disk."""
    size = 0
    for directory, _, files in os.walk(path):
        for name in files:
            try:
                size += os.lstat(os.path.join(directory, name)).st_blocks * 512  # noqa: PTH118  walked by name
            except OSError:
                continue
    return size or (path.lstat().st_blocks * 512 if path.is_file() else 0)
