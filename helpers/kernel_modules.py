# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel modules: loading and unloading them, and their reference counts (finit_module(2), delete_module(2))."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from helpers.syscalls import syscall
from helpers.waiting import wait_until

_MODULES = Path("/lib/modules")


def find(name: str) -> Path | None:
    """Return the file of a module, or None if this kernel has no such module."""
    directories = (_MODULES / "kernel", _MODULES / os.uname().release)
    return next((file for directory in directories for file in directory.rglob(f"{name}.ko")), None)


def load(name: str) -> None:
    """Load a module by name; raise OSError."""
    file = find(name)
    if file is None:
        raise FileNotFoundError(f"no module {name} below {_MODULES}")
    load_file(file)


def load_file(file: Path) -> None:
    """Load a module from a file; raise OSError."""
    with file.open("rb") as content:
        load_descriptor(content.fileno())


def load_descriptor(fd: int) -> None:
    """Load a module from an open file; raise OSError."""
    syscall("finit_module", fd, b"", 0)


def unload(name: str) -> None:
    """Unload a module without blocking; raise OSError, with EAGAIN if the module is in use."""
    syscall("delete_module", name.encode(), os.O_NONBLOCK, shown=lambda: f"delete_module({name})")


def is_loaded(name: str) -> bool:
    """Return whether a module is loaded, or built in."""
    return (Path("/sys/module") / name).exists()


def references(name: str) -> int:
    """Return the reference count of a loaded module."""
    return int((Path("/sys/module") / name / "refcnt").read_bytes())


@contextlib.contextmanager
def loaded(name: str) -> Iterator[None]:
    """Load a module for the body of a `with`, then unload it when its reference count is 0."""
    load(name)
    try:
        yield
    finally:
        if is_loaded(name):
            wait_until(lambda: references(name) == 0, f"module {name} to be unused")
            unload(name)
