# SPDX-License-Identifier: GPL-2.0-or-later
"""Restartable permission events, a proposal: a group's control descriptor, and the queue that it opens.

Marks are added through the control descriptor, which also keeps the group alive. Events are read from a queue, and
responses written to it; when the queue is released, unanswered events move to the head of the next one. Source:
"fanotify: introduce restartable permission events", with its review. Names and numbers: `helpers.proposals`.

with ControlGroup() as control:
    control.mark(FAN_MARK_ADD, FAN_OPEN_PERM, file)
    with control.open_queue() as queue:
        event = queue.read_one()
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from enum import Enum, auto
from errno import EINVAL
from pathlib import Path

from helpers import proposals
from helpers.errors import outcome
from helpers.fanotify import FanotifyGroup
from helpers.fanotify import Path as AnyPath
from helpers.uapi import FAN_CLASS_CONTENT, FAN_MARK_ADD, FAN_NONBLOCK, FAN_OPEN_PERM, Init

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK


class Presence(Enum):
    """Whether a kernel has restartable permission events."""

    ABSENT = auto()
    PRESENT = auto()
    ANOTHER_MEANING = auto()


def open_queue(control: int) -> int:
    """Open the queue of a control descriptor; return its descriptor, or raise OSError."""
    return fcntl.ioctl(control, proposals.queue_fd().open_queue)


class Queue(FanotifyGroup):
    """The queue of a group. A context manager: leaving it closes the queue and the descriptors of its events."""

    def __init__(self, control: "FanotifyGroup | int") -> None:
        """Open the queue of a control descriptor; raise OSError."""
        self.flags = control.flags if isinstance(control, FanotifyGroup) else Init(0)
        self.fd = open_queue(control if isinstance(control, int) else control.fd)
        self._delivered: list[int] = []

    def __repr__(self) -> str:
        """Return the flags of its group, by name."""
        return f"<queue of a group {self.flags}>"

    def release(self) -> None:
        """Close the queue only: descriptors of its events stay open, so that their numbers are not reused."""
        os.close(self.fd)
        self.fd = -1


class ControlGroup(FanotifyGroup):
    """A group with restartable permission events; its descriptor is the control descriptor."""

    def __init__(self, flags: int = CONTENT, event_f_flags: int = 0) -> None:
        """Call fanotify_init(2) with the flag of the proposal; raise OSError."""
        super().__init__(flags | proposals.queue_fd().init_flag, event_f_flags)

    def open_queue(self) -> Queue:
        """Open the queue; raise OSError, EBUSY while another is open."""
        return Queue(self)


@contextlib.contextmanager
def controlling(path: AnyPath, mask: int = FAN_OPEN_PERM, flags: int = CONTENT) -> Iterator[ControlGroup]:
    """Make a restartable group with one mark, for the body of a `with`."""
    with ControlGroup(flags) as control:
        control.mark(FAN_MARK_ADD, mask, path)
        yield control


def detect() -> Presence:
    """Probe whether this kernel has restartable permission events.

    Linux 7.3 does not use the flag bit, so a later kernel may give it another meaning.
    """
    try:
        control = ControlGroup()
    except OSError as error:
        if error.errno == EINVAL:
            return Presence.ABSENT
        raise
    with control:
        return Presence.PRESENT if _opens_queue(control) else Presence.ANOTHER_MEANING


def _opens_queue(control: ControlGroup) -> bool:
    try:
        queue = control.open_queue()
    except OSError:
        return False
    with queue:
        name = str(Path(f"/proc/self/fd/{queue.fd}").readlink())
        return name == proposals.queue_fd().queue_name or outcome(os.read, control.fd, 24) == EINVAL
