# SPDX-License-Identifier: GPL-2.0-or-later
"""Children whose system call waits for a group's permission: fanotify(7), "Dealing with permission events".

with requesting(group, file.read_bytes) as requester:
    group.respond(requester.event.fd, FAN_DENY)
    expect(EPERM, requester.finish)

Whatever happens to the test, a requester that nobody has answered is killed when its context is left.
"""

import contextlib
from collections.abc import Iterator

from helpers.actors import Act, Actor, process_state
from helpers.events import Event
from helpers.fanotify import FanotifyGroup
from helpers.waiting import is_readable, readable, wait_until


class Requester(Actor):
    """An actor whose act the kernel holds up until a group has answered. `event` is the group's question."""

    event: Event

    def request(self, group: FanotifyGroup) -> None:
        """Begin the act, and wait until its question is in the group's queue and the child sleeps."""
        self.start()
        readable(group, f"the permission event of {self.pid}")
        self.await_blocked()

    def block(self) -> None:
        """Begin the act, and wait until the child sleeps, where nobody can look at the queue: it asked before."""
        self.start()
        self.await_blocked()

    def await_blocked(self) -> None:
        """Wait until the child waits in the kernel."""
        wait_until(self.is_blocked, f"{self.pid} waits for permission")

    def is_asked_for(self, group: FanotifyGroup) -> bool:
        """Begin the act, and tell whether the group is asked; if it is not, the act is done."""
        self.start()
        wait_until(lambda: is_readable(group) or self.is_done(), f"{self.pid} asks or acts")
        return is_readable(group)

    def is_blocked(self) -> bool:
        """Tell whether the child waits in the kernel, where only a fatal signal reaches it.

        Its answer makes it runnable before write(2) returns, so that this is no guess afterwards. An answer to another
        child makes all that wait for the group look up for a moment: use `await_blocked` then.
        """
        return process_state(self.pid) == "D"


@contextlib.contextmanager
def requesting(group: FanotifyGroup, act: Act) -> Iterator[Requester]:
    """Have a child act until it waits for the answer of this group, and read the question."""
    with Requester(act) as requester:
        requester.request(group)
        requester.event = group.read_one()
        yield requester
