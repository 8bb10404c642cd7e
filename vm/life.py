# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a VM: its states, the transitions between them, and how it can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of a VM; one that has ended also has an `Ending`."""

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
    """There were no more tests for it."""
    PANIC = "panic"
    OOPS = "oops"
    OOM = "oom"
    """The guest's out-of-memory killer killed pytest, or found nothing to kill."""
    HANG = "hang"
    """It hung: a timeout expired."""
    LOST = "lost"
    """Another reason: QEMU died, or pytest or its process ended too early."""
    UNCLEAN = "unclean"
    """A test left it in a state in which no other test may run."""
    NONSENSE = "nonsense"
    """It violated the protocol."""
    KILLED = "killed"
    """The host killed it: the session is over."""


_MAY_FOLLOW: Mapping[State, frozenset[State]] = {
    State.BOOTING: frozenset({State.READY}),
    State.READY: frozenset({State.CONNECTED}),
    State.CONNECTED: frozenset({State.COLLECTED}),
    State.COLLECTED: frozenset({State.RUNNING}),
    State.RUNNING: frozenset(),
    State.ENDED: frozenset(),
}
"""State -> the states that may follow it. A VM can also end in any state, once."""


class NotAllowedError(Exception):
    """An invalid transition: a bug of this project."""


@dataclass
class Life:
    """One VM of one kernel.

    Attributes:
        kernel: the kernel's name.
        number: the number of this VM among those of its kernel in this run, from 1; 0 until it is known.
        state: its current state.
        ending: how it ended, once it has.
        accel: ``kvm`` or ``tcg``, once that is known.
    """

    kernel: str
    state: State = State.BOOTING
    number: int = 0
    ending: Ending | None = None
    accel: str = ""

    def to(self, state: State) -> None:
        """Enter a state. Raises NotAllowedError."""
        if state not in _MAY_FOLLOW[self.state]:
            raise NotAllowedError(f"{self.kernel}: {state} can not follow {self.state}")
        self.state = state

    def end(self, ending: Ending) -> None:
        """End. Raises NotAllowedError if it has already ended."""
        if self.state is State.ENDED:
            raise NotAllowedError(f"{self.kernel}: it has ended already ({self.ending})")
        self.state, self.ending = State.ENDED, ending
