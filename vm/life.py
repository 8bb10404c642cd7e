# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a VM: the states it goes through, which may follow which, and how it may end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a VM is about; an ended one has an `Ending` too."""

    BOOTING = "booting"
    READY = "ready"
    """Its Python serves the port."""
    CONNECTED = "connected"
    """pytest has begun in it."""
    COLLECTED = "collected"
    RUNNING = "running"
    ENDED = "ended"


class Ending(StrEnum):
    """Why a VM ended."""

    DONE = "done"
    """No tests were left for it."""
    PANIC = "panic"
    OOPS = "oops"
    OOM = "oom"
    """The guest's out-of-memory killer ended pytest, or there was nothing left to kill."""
    HANG = "hang"
    """It gave no sign of life for too long."""
    LOST = "lost"
    """It vanished for another reason: QEMU died, pytest or its process ended before its time."""
    UNCLEAN = "unclean"
    """A test left it in a state in which no other test may run."""
    NONSENSE = "nonsense"
    """It said what no guest of ours says."""
    KILLED = "killed"
    """We ended it: the session is over."""


_MAY_FOLLOW: Mapping[State, frozenset[State]] = {
    State.BOOTING: frozenset({State.READY}),
    State.READY: frozenset({State.CONNECTED}),
    State.CONNECTED: frozenset({State.COLLECTED}),
    State.COLLECTED: frozenset({State.RUNNING}),
    State.RUNNING: frozenset(),
    State.ENDED: frozenset(),
}
"""State -> the states that may follow it, beside the end, which may always come, once."""


class NotAllowedError(Exception):
    """A VM was said to go from one state to one that can not follow: a mistake in the harness."""


@dataclass
class Life:
    """One VM of one kernel.

    Attributes:
        kernel: the kernel's name.
        number: which VM of this kernel in this run, from 1; 0 before that is known.
        state: where it stands.
        ending: how it ended, once it has.
        accel: ``kvm`` or ``tcg``, once that is known.
    """

    kernel: str
    state: State = State.BOOTING
    number: int = 0
    ending: Ending | None = None
    accel: str = ""

    def to(self, state: State) -> None:
        """Go on to a state. Raises NotAllowedError."""
        if state not in _MAY_FOLLOW[self.state]:
            raise NotAllowedError(f"{self.kernel}: {state} can not follow {self.state}")
        self.state = state

    def end(self, ending: Ending) -> None:
        """End. Raises NotAllowedError: it has ended already."""
        if self.state is State.ENDED:
            raise NotAllowedError(f"{self.kernel}: it has ended already ({self.ending})")
        self.state, self.ending = State.ENDED, ending
