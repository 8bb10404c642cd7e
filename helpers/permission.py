# SPDX-License-Identifier: GPL-2.0-or-later
"""Children whose system call waits for a permission response: fanotify(7), "Dealing with permission events".

with requesting(group, file.read_bytes) as requester:
    group.respond(requester.event.fd, FAN_DENY)
    expect(EPERM, requester.finish)

Leaving the context of a requester kills it, so a test that fails leaves no blocked process behind.
"""

import contextlib
from collections.abc import Iterator

from helpers.actors import Act, Actor, process_state
from helpers.events import Event
from helpers.fanotify import FanotifyGroup
from helpers.waiting import is_readable, readable, wait_until


class Requester(Actor):
    """An actor whose act blocks until a group has responded. `event` is its permission event."""

    event: Event

    def request(self, group: FanotifyGroup) -> None:
        """Start the act, and wait until its event is in the group's queue and the child is blocked."""
        self.start()
        readable(group, f"the permission event of {self.pid}")
        self.await_blocked()

    def block(self) -> None:
        """Start the act, and wait until the child is blocked, when the queue cannot be polled.

        The kernel queues the event before the child blocks.
        """
        self.start()
        self.await_blocked()

    def await_blocked(self) -> None:
        """Wait until the child is blocked."""
        wait_until(self.is_blocked, f"process {self.pid} to block on the permission event")

    def is_asked_for(self, group: FanotifyGroup) -> bool:
        """Start the act, and return whether the group gets an event; if it does not, the act is done."""
        self.start()
        wait_until(
            lambda: is_readable(group) or self.is_done(), f"process {self.pid} to cause an event or to finish"
        )
        return is_readable(group)

    def is_blocked(self) -> bool:
        """Return whether the child is blocked in the kernel, in an uninterruptible but killable sleep.

        The response makes the child runnable before write(2) returns, so afterwards the result is reliable. A response
        to another child wakes all children that wait for this group for a moment: then use `await_blocked`.
        """
        return process_state(self.pid) == "D"


@contextlib.contextmanager
def requesting(group: FanotifyGroup, act: Act) -> Iterator[Requester]:
    """Start an act in a child, wait until it is blocked, and read its permission event from the group."""
    with Requester(act) as requester:
        requester.request(group)
        requester.event = group.read_one()
        yield requester
