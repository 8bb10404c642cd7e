# SPDX-License-Identifier: GPL-2.0-or-later
"""Talks to a guest while it runs tests: handles each of its events, and hands out tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod

from vm import protocol
from vm.life import Life, State
from vm.link import Link, Silence
from vm.protocol import Nonsense
from vm.scheduler import AHEAD, Scheduler

LEAST = 0.5
"""Seconds; less than this without a processor is not compensated."""


@dataclass(frozen=True)
class Changed:
    """A VM has entered another state; `detail` is a short text about it, or empty."""

    life: Life
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Said:
    """A guest has sent an event, about one of its tests if `test` is given."""

    life: Life
    event: protocol.Event
    test: str = ""


class EndedEarlyError(Exception):
    """pytest has ended in a guest that still had tests to run; the text says why."""


class UncleanError(Exception):
    """A test has left the guest unclean; the text says how."""


class Conversation:
    """The conversation with one guest: the tests that it has collected, was given, and is running."""

    def __init__(
        self,
        life: Life,
        scheduler: Scheduler,
        tell: Callable[[Changed | Said], None],
        silence: Callable[[], float],
    ) -> None:
        """`tell` takes events for the session; `silence` is the timeout in seconds for the guest's next event."""
        self._life = life
        self._scheduler = scheduler
        self._tell = tell
        self._silence = silence
        self._link: Link | None = None
        self._ids: tuple[str, ...] = ()
        self._numbers: dict[str, int] = {}
        self._given: deque[int] = deque()
        self.collecting = ""
        """The file whose tests the guest is collecting, or collected last."""
        self._torn_down = False
        """Whether the first of the given tests has sent its last report, that of its teardown."""
        self._told_to_end = False
        self._over = False

    def hold(self, link: Link, order: bytes, starved: Callable[[], float]) -> None:
        """Talk to the guest until it has run its tests.

        `starved` returns the total seconds for which the VM had no processor; they do not count towards timeouts.

        Raises:
            Silence, Gone, Nonsense: see vm/link.py.
            EndedEarlyError: pytest ended in the guest before that.
            UncleanError: a test has left the guest unclean.
        """
        self._link = link
        link.begin(order, self._silence())
        while not self._over:
            self._hear(self._next(link, starved))

    def _next(self, link: Link, starved: Callable[[], float]) -> protocol.Event:
        """Return the next event; the timeout counts only time in which the VM had a processor."""
        patience, before = self._silence(), starved()
        while True:
            try:
                return link.receive(patience)
            except Silence:
                patience, before = starved() - before, starved()
                if patience < LEAST:
                    raise Silence(f"no sign of life for {self._silence():.0f} s") from None

    def left(self) -> tuple[str, list[str]]:
        """Return the test that was running, or "", and the given tests that have not begun."""
        tests = [self._ids[number] for number in self._given]
        if self._torn_down:
            return "", tests[1:]
        return (tests[0], tests[1:]) if tests else ("", [])

    def go(self, state: State, detail: str = "") -> None:
        """Enter a state, and tell the session."""
        self._life.to(state)
        self._tell(Changed(self._life, state, detail))

    # --- events of a guest ----------------------------------------------------------------------------------------

    @singledispatchmethod
    def _hear(self, event: protocol.Event) -> None:
        """Pass on an event that concerns no test."""
        self._tell(Said(self._life, event))

    @_hear.register
    def _ready(self, _: protocol.Ready) -> None:
        self._expect(State.READY)
        self.go(State.CONNECTED)

    @_hear.register
    def _collecting(self, event: protocol.Collecting) -> None:
        self._expect(State.CONNECTED)
        self.collecting = event.name

    @_hear.register
    def _collected(self, event: protocol.Collected) -> None:
        self._expect(State.CONNECTED)
        self._ids = event.tests
        self._numbers = {test: number for number, test in enumerate(event.tests)}
        self._scheduler.collected(self._life.kernel, event.tests)
        self.go(State.COLLECTED)
        self._tell(Said(self._life, event))
        self.go(State.RUNNING)
        self._hand_out()

    @_hear.register
    def _phase(self, event: protocol.Phase) -> None:
        self._expect_running(event.index)
        if self._torn_down:
            raise Nonsense("a report of a test that was over")
        self._tell(Said(self._life, event, self._ids[event.index]))
        self._torn_down = event.when == "teardown"

    @_hear.register
    def _completed(self, event: protocol.Completed) -> None:
        self._expect_running(event.index)
        self._given.popleft()
        self._torn_down = False
        self._hand_out()

    @_hear.register
    def _unclean(self, event: protocol.Unclean) -> None:
        raise UncleanError(event.text)

    @_hear.register
    def _internal_error(self, event: protocol.InternalError) -> None:
        lines = [line.strip() for line in event.text.splitlines() if line.strip()]
        raise EndedEarlyError(lines[-1] if lines else "no reason given")

    @_hear.register
    def _finished(self, event: protocol.Finished) -> None:
        if self._given or not self._told_to_end:
            raise EndedEarlyError(event.reason or f"exit code {event.code}")
        self._over = True

    # --- commands to a guest --------------------------------------------------------------------------------------

    def _expect(self, state: State) -> None:
        if self._life.state is not state:
            raise Nonsense(f"it said twice that it is ready, or has collected, while {self._life.state}")

    def _expect_running(self, index: int) -> None:
        if not self._given or index != self._given[0]:
            raise Nonsense("a report of a test that it was not running")

    def _hand_out(self) -> None:
        """Give the guest its next tests, or tell it that there are no more."""
        assert self._link is not None
        if self._told_to_end:
            return
        batch = self._scheduler.take(self._life.kernel, AHEAD - len(self._given), self._numbers)
        if batch:
            numbers = [self._numbers[test] for test in batch]
            self._given.extend(numbers)
            self._link.run(numbers, self._silence())
        if not self._scheduler.left(self._life.kernel):
            self._told_to_end = True
            self._link.shutdown(self._silence())
