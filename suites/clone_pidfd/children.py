# SPDX-License-Identifier: GPL-2.0-or-later
"""Children with a pidfd, and what must not be left of one that the kernel refused to make."""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from errno import ECHILD
from pathlib import Path
from signal import SIGCHLD

from helpers.actors import Actor
from helpers.descriptors import open_descriptors
from helpers.errors import expect
from helpers.pidfd import clone
from helpers.uapi import CLONE_PIDFD, WALL

UNTOUCHED = -1
"""What is in a cell before the kernel stores a pidfd there."""


def new_cell() -> ctypes.c_int:
    """Return where the kernel may store a pidfd; its address is the same in a forked child."""
    return ctypes.c_int(UNTOUCHED)


@contextlib.contextmanager
def child_with_pidfd(act: Callable[[], object] = os.getpid) -> Iterator[tuple[Actor, int]]:
    """Have a child made with CLONE_PIDFD, and its pidfd."""
    cell = new_cell()
    with Actor(act, make=lambda child: clone(CLONE_PIDFD | SIGCHLD, cell, child)) as actor:
        try:
            yield actor, cell.value
        finally:
            os.close(cell.value)


def assert_refused(answer: int, call: Callable[..., object], *arguments: object, **keywords: object) -> None:
    """Hold the kernel to an errno, and to having neither made a child nor opened a descriptor."""
    before = open_descriptors()
    expect(answer, call, *arguments, **keywords)
    assert open_descriptors() == before
    assert_no_child()


def assert_no_child() -> None:
    """Hold the kernel to there being no child, neither living nor dead."""
    expect(ECHILD, os.waitpid, -1, os.WNOHANG | WALL)


def is_pidfd(fd: int) -> bool:
    """Tell whether a descriptor of this process is a pidfd."""
    return Path(f"/proc/self/fd/{fd}").readlink() == Path("anon_inode:[pidfd]")
