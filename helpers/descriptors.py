# SPDX-License-Identifier: GPL-2.0-or-later
"""Open descriptors of this process, a full descriptor table, and a buffer that ends at an unmapped page."""

import contextlib
import ctypes
import errno
import mmap
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from helpers.errors import expect_errno
from helpers.syscalls import syscall

_KCMP_FILE = 0


def open_descriptors() -> frozenset[int]:
    """Return the numbers of this process's open descriptors."""
    listed = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    # The list includes the descriptor of the directory itself, which is closed by now.
    return frozenset(fd for fd in listed if is_open(fd))


def is_open(fd: int) -> bool:
    """Return whether a number is that of an open descriptor."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def same_description(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two descriptors, each given as (pid, number), share an open file description (kcmp(2))."""
    return syscall("kcmp", one[0], other[0], _KCMP_FILE, one[1], other[1]) == 0


@contextlib.contextmanager
def closing(fd: int) -> Iterator[int]:
    """Give a descriptor to the body of a `with`, and close it afterwards."""
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def opened(path: str | Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a file for the body of a `with`; raise OSError where the kernel refuses it."""
    with closing(os.open(path, flags)) as fd:
        yield fd


@contextlib.contextmanager
def exhausted(free: int = 0) -> Iterator[None]:
    """Leave exactly `free` free descriptors in this process's table for the body of a `with`."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    fillers: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 + max(open_descriptors()) + free, limits[1]))
        with expect_errno(errno.EMFILE, "open(/dev/null), again and again"):
            while True:
                fillers.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(free):
            os.close(fillers.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in fillers:
            os.close(fd)


class GuardedBuffer:
    """Memory for exactly `room` bytes: writing one more fails with EFAULT."""

    def __init__(self, room: int) -> None:
        """Place the bytes right before a page without access."""
        self._memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        syscall("mprotect", start + mmap.PAGESIZE, mmap.PAGESIZE, 0)
        self.room = room
        self.address = start + mmap.PAGESIZE - room

    def read_from(self, fd: int, count: int) -> int:
        """Call read(2) with this buffer and a length of `count`; return the number of bytes read."""
        return syscall(
            "read", fd, self.address, count, shown=lambda: f"read({fd}, <{self.room} bytes of room>, {count})"
        )

    @property
    def content(self) -> bytes:
        """The bytes now in the buffer."""
        return ctypes.string_at(self.address, self.room)
