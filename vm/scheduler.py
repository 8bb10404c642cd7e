# SPDX-License-Identifier: GPL-2.0-or-later
"""Who runs what: which kernel a free place serves next, and which tests a VM is given. Knows nothing of VMs.

Every test is for every kernel. The VMs of one kernel share its tests: each is given the next few, and what a lost one
leaves goes to the others or to its replacement. The methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

AHEAD = 8
"""How many tests a VM holds: enough that it never waits, few enough that a run stops soon after ``-x``."""

WORTH_A_VM = 200
"""How many tests a kernel must have left for each of its VMs before a place that nobody else needs goes to one more."""

NO_BOOTS = 3
"""How many VMs of a kernel, one after the other, may fail to come up before it is given up."""


@dataclass
class _Work:
    """What there is to do on one kernel."""

    tests: tuple[str, ...] | None = None
    """All its tests, once a VM has collected them."""
    waiting: deque[str] = field(default_factory=deque)
    served_by: int = 0
    """How many VMs it has, those that boot among them."""
    begun: bool = False
    over: bool = False
    """Whether no VM of it shall be started any more."""
    losses: int = 0
    failed_boots: int = 0
    """How many VMs did not come up since one did."""
    avoids: set[str] = field(default_factory=set)
    """The machines on which a VM of it did not come up."""

    @property
    def left(self) -> int:
        return len(self.waiting)

    @property
    def wanting(self) -> bool:
        """Whether it needs a VM and has none."""
        return not self.over and (not self.begun or (bool(self.waiting) and not self.served_by))


class Scheduler:
    """The work of one session."""

    def __init__(self, kernels: Iterable[str], *, losses: int) -> None:
        """`losses` is how many VMs of one kernel may be lost before the tests that are left are given up."""
        self._work = {kernel: _Work() for kernel in kernels}
        self._losses = losses
        self._changed = threading.Condition()
        self._stopped = False
        self._places: Counter[str] = Counter()

    # --- places ---------------------------------------------------------------------------------------------------

    def enter(self, machine: str) -> None:
        """Take note of a place on a machine; each machine has a name of its own."""
        with self._changed:
            self._places[machine] += 1

    def quit(self, machine: str) -> None:
        """Take note that a place has ended."""
        with self._changed:
            self._places[machine] -= 1
            self._changed.notify_all()

    def next_kernel(self, machine: str = "") -> str | None:
        """Return the kernel that a free place shall serve; wait while that may still change. None: there is no more."""
        with self._changed:
            while True:
                if (kernel := self._wanting(machine)) is not None:
                    work = self._work[kernel]
                    work.begun, work.served_by = True, work.served_by + 1
                    return kernel
                if self._over():
                    return None
                self._changed.wait()

    def _wanting(self, machine: str) -> str | None:
        if self._stopped:
            return None
        open_ = {
            kernel: work
            for kernel, work in self._work.items()
            if not work.over and not (machine in work.avoids and self._elsewhere(work))
        }
        for kernel, work in open_.items():
            if work.wanting:
                return kernel
        most = max(open_, key=lambda kernel: self._share(open_[kernel]), default=None)
        return most if most is not None and self._share(open_[most]) >= WORTH_A_VM else None

    def _elsewhere(self, work: _Work) -> bool:
        """Whether there is a place on a machine that has not failed this work."""
        return any(places and machine not in work.avoids for machine, places in self._places.items())

    def over(self) -> bool:
        """Whether there is nothing left to do for any place."""
        with self._changed:
            return self._over()

    def _over(self) -> bool:
        return self._stopped or not any(work.wanting or work.served_by for work in self._work.values())

    @staticmethod
    def _share(work: _Work) -> float:
        return work.left / work.served_by if work.served_by else 0.0

    def leave(self, kernel: str) -> None:
        """Take note that a place serves a kernel no more."""
        with self._changed:
            self._work[kernel].served_by -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Start nothing any more: places that wait get None, VMs get no tests."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # --- tests ----------------------------------------------------------------------------------------------------

    def collected(self, kernel: str, tests: Sequence[str]) -> None:
        """Take in what a VM has collected: the kernel's first says which tests there are to run."""
        with self._changed:
            work = self._work[kernel]
            if work.tests is None:
                work.tests = tuple(dict.fromkeys(tests))
                work.waiting.extend(work.tests)
            self._changed.notify_all()

    def has_tests(self, kernel: str) -> bool:
        """Whether it is known which tests there are to run on a kernel."""
        with self._changed:
            return self._work[kernel].tests is not None

    def take(self, kernel: str, most: int, known: Iterable[str]) -> list[str]:
        """Return the next tests of a kernel for a VM that holds up to `most` more and knows the tests `known`."""
        there = set(known)
        with self._changed:
            work = self._work[kernel]
            if self._stopped:
                return []
            found = [test for test in work.waiting if test in there][: max(0, most)]
            for test in found:
                work.waiting.remove(test)
            return found

    def left(self, kernel: str) -> int:
        """Return how many tests of a kernel no VM has been given."""
        with self._changed:
            return self._work[kernel].left

    def give_back(self, kernel: str, tests: Sequence[str]) -> None:
        """Take back tests that a VM was given and did not run: they are the next again."""
        with self._changed:
            self._work[kernel].waiting.extendleft(reversed(tests))
            self._changed.notify_all()

    def lost(self, kernel: str, *, came_up: bool, machine: str = "") -> bool:
        """Count a VM that was lost; return whether the kernel goes on in another one.

        Not when too many were lost in all, or when one after the other does not come up (`came_up`) any more. One that
        never came up is only tried again on another machine.
        """
        with self._changed:
            work = self._work[kernel]
            work.losses += 1
            work.failed_boots = 0 if came_up else work.failed_boots + 1
            if not came_up:
                work.avoids.add(machine)
            again = work.losses <= self._losses and work.failed_boots < NO_BOOTS
            if work.tests is None:
                again = again and self._elsewhere(work)
                work.begun = not again
            return again

    def machine_lost(self, kernel: str) -> bool:
        """Take note that a VM's machine, not the kernel, has failed; return whether there is another place."""
        with self._changed:
            work = self._work[kernel]
            if work.tests is None and work.served_by == 1:
                work.begun = False
            return sum(self._places.values()) > 1

    def abandoned(self) -> dict[str, list[str]]:
        """Return the kernels that no place is left for, each with its tests that were not run, and give them up."""
        with self._changed:
            found = {} if self._stopped else {k: list(w.waiting) for k, w in self._work.items() if w.wanting}
            for kernel in found:
                self._work[kernel].over = True
                self._work[kernel].waiting.clear()
            return found

    def give_up(self, kernel: str) -> list[str]:
        """Start no VM of a kernel any more, and return the tests that nobody will run."""
        with self._changed:
            work = self._work[kernel]
            work.over = True
            given_up = list(work.waiting)
            work.waiting.clear()
            self._changed.notify_all()
            return given_up
