# SPDX-License-Identifier: GPL-2.0-or-later
"""fanotify_init(2), fanotify_mark(2), and a group that closes the descriptors of its events."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from helpers.errors import UnexpectedAnswer
from helpers.events import Event, parse
from helpers.syscalls import syscall
from helpers.uapi import (
    AT_FDCWD,
    FAN_MARK_ADD,
    FAN_MARK_INODE,
    FAN_NONBLOCK,
    Init,
    Mark,
    Mask,
    Open,
    PermissionResponse,
)
from helpers.waiting import readable

BUFFER_SIZE = 65536
"""Default length for read(2), in bytes; enough for more than 2,000 of the smallest events."""

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def fanotify_init(flags: int = 0, event_f_flags: int = 0) -> "FanotifyGroup":
    """Call fanotify_init(2) and return the group; raise OSError naming the flags."""
    __tracebackhide__ = True
    return FanotifyGroup(flags, event_f_flags)


def fanotify_mark(group: int, flags: int, mask: int, path: Path | None = None, dirfd: int = AT_FDCWD) -> None:
    """Call fanotify_mark(2), with NULL for a path of None; raise OSError naming flags and mask."""
    __tracebackhide__ = True
    encoded = None if path is None else os.fsencode(path)
    syscall(
        *("fanotify_mark", group, flags, mask, dirfd, encoded),
        shown=lambda: f"fanotify_mark({group}, {Mark(flags)}, {Mask(mask)}, {dirfd}, {path!r})",
    )


class FanotifyGroup:
    """A fanotify group, and the descriptors of the events that were read from it.

    A context manager: leaving it closes the group and the descriptors of its events, except those passed to `disown`.
    """

    def __init__(self, flags: int = 0, event_f_flags: int = 0) -> None:
        """Call fanotify_init(2); raise OSError naming the flags."""
        __tracebackhide__ = True
        self.flags = Init(flags)
        self.fd = syscall(
            *("fanotify_init", flags, event_f_flags),
            shown=lambda: f"fanotify_init({self.flags}, {Open(event_f_flags)})",
        )
        self._delivered: list[int] = []
        self._asked = 0

    def __enter__(self) -> Self:
        """Return the group."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the group and the descriptors of its events."""
        self.close()

    def __repr__(self) -> str:
        """Return the fanotify_init flags, by name."""
        return f"<group {self.flags}>"

    def fileno(self) -> int:
        """Return the group's descriptor, for select and poll."""
        return self.fd

    def close(self) -> None:
        """Close the group, then the descriptors of its events. Closing it again does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        while self._delivered:
            os.close(self._delivered.pop())

    def mark(self, flags: int, mask: int, path: Path | None = None, dirfd: int = AT_FDCWD) -> None:
        """Call fanotify_mark(2) on this group."""
        __tracebackhide__ = True
        fanotify_mark(self.fd, flags, mask, path, dirfd)
        self._asked |= int(mask) if flags & FAN_MARK_ADD else 0

    def read_bytes(self, size: int = BUFFER_SIZE) -> bytes:
        """Call read(2) once and return its bytes; the caller must close the descriptors in them."""
        __tracebackhide__ = True
        return os.read(self.fd, size)

    def read(self, size: int = BUFFER_SIZE) -> list[Event]:
        """Call read(2) once and return its events; raise MalformedEvent if they are malformed."""
        __tracebackhide__ = True
        events = parse(self.read_bytes(size))
        for event in events:
            self._delivered += event.descriptors
        return events

    def wait(self) -> Self:
        """Wait until the group is readable; raise DeadlinePassed otherwise."""
        __tracebackhide__ = True
        readable(self, f"an event of {self}, asked for {Mask(self._asked)}")
        return self

    def read_one(self) -> Event:
        """Wait for an event, read once and return it; raise AssertionError if there are several."""
        events = self.wait().read()
        assert len(events) == 1, f"expected one event, read {events}"
        return events[0]

    def masks(self) -> list[Mask]:
        """Read once from a FAN_NONBLOCK group and return the masks of its events; of none, []."""
        try:
            return [event.mask for event in self.read()]
        except BlockingIOError:
            return []

    def assert_empty(self) -> None:
        """Raise UnexpectedAnswer if a FAN_NONBLOCK group has an event to read."""
        with contextlib.suppress(BlockingIOError):
            raise UnexpectedAnswer(f"expected no event, read {self.read()}")

    def disown(self, fd: int) -> int:
        """Return a descriptor of an event; from now on the caller must close it."""
        self._delivered.remove(fd)
        return fd

    def respond(self, fd: int, response: int) -> int:
        """Write the response to the permission event of this fd; return the result of write(2)."""
        return os.write(self.fd, bytes(PermissionResponse(fd, ctypes.c_uint32(response).value)))


@contextlib.contextmanager
def watching(
    path: Path, mask: int, flags: int = FAN_NONBLOCK, event_f_flags: int = 0, mark: int = FAN_MARK_INODE
) -> Iterator[FanotifyGroup]:
    """Make a group with these fanotify_init flags and one mark, for the body of a `with`."""
    with FanotifyGroup(flags, event_f_flags) as group:
        group.mark(FAN_MARK_ADD | mark, mask, path)
        yield group
