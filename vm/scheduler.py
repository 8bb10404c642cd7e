# SPDX-License-Identifier: GPL-2.0-or-later
"""Decides which kernel a free place runs next, and which tests a VM gets. Knows nothing about VMs.

Every test runs on every kernel. The VMs of one kernel share its tests: each gets the next few, and the tests that a
lost VM did not run go to the others or to its replacement. The methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

AHEAD = 8
"""Number of tests a VM gets in advance: enough that it never waits, few enough that ``-x`` stops a run soon."""

WORTH_A_VM = 200
"""Threshold for another VM of a kernel: the tests that it must have left per VM, if no other kernel needs the place."""

NO_BOOTS = 3
"""Number of consecutive failed boots after which a kernel is given up."""


@dataclass
class _Work:
    """The work on one kernel."""

    tests: tuple[str, ...] | None = None
    """All its tests; None until a VM has collected them."""
    waiting: deque[str] = field(default_factory=deque)
    served_by: int = 0
    """Number of its VMs, including those that boot."""
    begun: bool = False
    over: bool = False
    """Whether no further VM of it may be started."""
    losses: int = 0
    failed_boots: int = 0
    """Number of failed boots since the last successful one."""
    avoids: set[str] = field(default_factory=set)
    """The machines on which a boot of it failed."""

    @property
    def left(self) -> int:
        return len(self.waiting)

    @property
    def wanting(self) -> bool:
        """Whether it has tests left and no VM."""
        return not self.over and (not self.begun or (bool(self.waiting) and not self.served_by))


class Scheduler:
    """The work of one session."""

    def __init__(self, kernels: Iterable[str], *, losses: int) -> None:
        """`losses` is how many VMs of one kernel may be lost before its remaining tests are given up."""
        self._work = {kernel: _Work() for kernel in kernels}
        self._losses = losses
        self._changed = threading.Condition()
        self._stopped = False
        self._places: Counter[str] = Counter()

    # --- places ---------------------------------------------------------------------------------------------------

    def enter(self, machine: str) -> None:
        """Register a place on a machine; each machine has a unique name."""
        with self._changed:
            self._places[machine] += 1

    def quit(self, machine: str) -> None:
        """Unregister a place that has ended."""
        with self._changed:
            self._places[machine] -= 1
            self._changed.notify_all()

    def next_kernel(self, machine: str = "") -> str | None:
        """Return the kernel that a free place must run next, or None if there is no more work.

        Blocks while there is no work for this place, but there may be later.
        """
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
        """Return whether there is a place on a machine where no boot of this kernel failed."""
        return any(places and machine not in work.avoids for machine, places in self._places.items())

    def over(self) -> bool:
        """Whether there is no work left for any place."""
        with self._changed:
            return self._over()

    def _over(self) -> bool:
        return self._stopped or not any(work.wanting or work.served_by for work in self._work.values())

    @staticmethod
    def _share(work: _Work) -> float:
        return work.left / work.served_by if work.served_by else 0.0

    def leave(self, kernel: str) -> None:
        """Record that a place no longer runs a kernel."""
        with self._changed:
            self._work[kernel].served_by -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Start nothing more: waiting places get None, and VMs get no tests."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # --- tests ----------------------------------------------------------------------------------------------------

    def collected(self, kernel: str, tests: Sequence[str]) -> None:
        """Record the tests that a VM has collected; those of the kernel's first VM are the tests to run."""
        with self._changed:
            work = self._work[kernel]
            if work.tests is None:
                work.tests = tuple(dict.fromkeys(tests))
                work.waiting.extend(work.tests)
            self._changed.notify_all()

    def has_tests(self, kernel: str) -> bool:
        """Return whether the tests to run on a kernel are known."""
        with self._changed:
            return self._work[kernel].tests is not None

    def take(self, kernel: str, most: int, known: Iterable[str]) -> list[str]:
        """Return the next tests of a kernel, at most `most`, for a VM that has collected the tests `known`."""
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
        """Return the number of tests of a kernel that no VM has got yet."""
        with self._changed:
            return self._work[kernel].left

    def give_back(self, kernel: str, tests: Sequence[str]) -> None:
        """Take back tests that a VM got and did not run; they are next."""
        with self._changed:
            self._work[kernel].waiting.extendleft(reversed(tests))
            self._changed.notify_all()

    def lost(self, kernel: str, *, came_up: bool, machine: str = "") -> bool:
        """Record a lost VM; return whether the kernel's tests continue in another one.

        They do not if too many VMs were lost in total, or if too many boots failed in a row (`came_up` is false). A
        kernel that has never booted is only tried again on another machine.
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
        """Record that a VM's machine, not its kernel, has failed; return whether there is another place."""
        with self._changed:
            work = self._work[kernel]
            if work.tests is None and work.served_by == 1:
                work.begun = False
            return sum(self._places.values()) > 1

    def abandoned(self) -> dict[str, list[str]]:
        """Give up the kernels for which no place is left, and return them with the tests that were not run."""
        with self._changed:
            found = {} if self._stopped else {k: list(w.waiting) for k, w in self._work.items() if w.wanting}
            for kernel in found:
                self._work[kernel].over = True
                self._work[kernel].waiting.clear()
            return found

    def give_up(self, kernel: str) -> list[str]:
        """Start no further VM of a kernel, and return the tests that will not be run."""
        with self._changed:
            work = self._work[kernel]
            work.over = True
            given_up = list(work.waiting)
            work.waiting.clear()
            self._changed.notify_all()
            return given_up
