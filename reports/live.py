# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a run is, as it goes on: rows at the foot of a terminal, and lines of text wherever else output goes."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from helpers.contract.results import Result, in_order
from reports.names import short
from reports.text import count, harmless, one_line

RUNNING, WAITING, PREPARING = "running", "waiting", "preparing"
_OVER = ("ended", "lost")
_EVENTS = ("booting", "collecting", RUNNING)
"""States of a kernel that are worth a line of their own even if nothing is said about them."""

_FRAME = 0.25
"""Seconds between two drawings: neither a slow line nor the drawing itself must become what tests wait for."""
_ROOM_FOR_KEYS = 4
"""Columns that stay free behind the board, for a terminal echoes keys there: `^C` shall not begin a new row."""
_SILENCE = 4.0
"""Seconds after which a log that nobody writes to gets a line, so that no reader takes the run for dead."""


@dataclass
class Progress:
    """How far a kernel is; `since`, `begun` and `last`, when a test ended, are readings of the clock, in seconds."""

    since: float
    state: str = RUNNING
    detail: str = ""
    begun: float | None = None
    last: float = 0.0
    done: int = 0
    failed: int = 0
    test: str = ""
    vms: dict[int, str] = field(default_factory=dict)

    def told(self, vm: int, state: str, detail: str, now: float) -> None:
        """Take note of what a VM does: while one runs tests the kernel runs, whatever the others do."""
        self.vms[vm] = state
        shown = RUNNING if RUNNING in self.vms.values() else state
        if shown != self.state:
            self.since = now
        self.state, self.detail = shown, detail if shown == state else ""

    def finished(self, result: Result, now: float) -> None:
        """Count a result."""
        self.begun = now - result.duration if self.begun is None else self.begun
        self.last = now
        self.done += 1
        self.failed += result.words.bad

    def over(self, total: int) -> bool:
        """Whether nothing more is to come, if there are so many tests."""
        return self.state in _OVER or 0 < total <= self.done

    def _left(self, total: int, now: float) -> str:
        """Say how long the tests that are left will take."""
        if self.begun is None or not self.done or not total:
            return ""
        return _time_left(self.begun, self.last, now, self.done, total - self.done)

    def cells(self, total: int, now: float) -> tuple[str, str, str, str]:
        """Return what there is to say: the state or how many tests, failures, the time, and what goes on."""
        failed = f"{self.failed} failed" if self.failed else ""
        if self.state != RUNNING:
            return self.state, failed, f"{now - self.since:.0f} s", self.detail
        tests = f"{self.done}/{count(total, 'test')}" if total else count(self.done, "test")
        return tests, failed, self._left(total, now), self.test


def _time_left(begun: float, last: float, now: float, done: int, left: int) -> str:
    """Say how long the tests that are left will take at the pace of those that were done until the `last` ended.

    Nothing is said when they take longer than that.
    """
    seconds = (last - begun) / done * left - (now - last)
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} left" if seconds >= 0 else ""


class Board:
    """How far all kernels are. Any thread may tell it and ask it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known yet; `total`, the number of tests on each kernel, may be set when it is."""
        self.total = 0
        self._clock = clock
        self._lock = threading.RLock()
        self._kernels: dict[str, Progress] = {}
        self._said: dict[str, tuple[str, str]] = {}

    def _progress(self, kernel: str) -> Progress:
        return self._kernels.setdefault(kernel, Progress(self._clock()))

    def state(self, kernel: str, vm: int, state: str, detail: str = "") -> bool:
        """Take note of a state; return whether it is news, and not just a further step of what was told before."""
        with self._lock:
            if vm == 0 and state in _OVER:  # it stood for the kernels, and now they are there
                self._kernels.pop(kernel, None)
                return False
            self._progress(kernel).told(vm, state, detail, self._clock())
            news = state, detail.lstrip("0123456789 %")
            before, self._said[kernel] = self._said.get(kernel), news
            return news != before and (state in _EVENTS or (state == PREPARING and bool(detail)))

    def running(self, kernel: str, test: str) -> None:
        """Take note of the test that a kernel runs."""
        with self._lock:
            progress = self._progress(kernel)
            progress.begun = self._clock() if progress.begun is None else progress.begun
            progress.test = short(test)

    def finished(self, result: Result) -> None:
        """Take note of a result."""
        with self._lock:
            self._progress(result.kernel).finished(result, self._clock())

    def sentence(self) -> str:
        """Return a line about the kernels that something is done for; empty if there is none."""
        with self._lock:
            now = self._clock()
            left = {name: self._kernels[name] for name in self._left()}
            busy = {name: one for name, one in left.items() if one.state != WAITING} or left
            parts = (
                f"{name}: {', '.join(filter(None, one.cells(self.total, now)))}" for name, one in busy.items()
            )
            return one_line("; ".join(parts))

    def _left(self) -> list[str]:
        """The kernels that are not done, those at work first."""
        names = [name for name in in_order(self._kernels) if not self._kernels[name].over(self.total)]
        return sorted(names, key=lambda name: self._kernels[name].state == WAITING)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Be drawn by rich."""
        yield Constrain(self.rows(options.size.height), max(1, options.max_width - _ROOM_FOR_KEYS))

    def rows(self, height: int) -> ConsoleRenderable:
        """Return a row for each kernel that is not done, as many as fit into `height` lines, and one for all."""
        with self._lock:
            foot = [Text(self._foot(), no_wrap=True, overflow="ellipsis")] if len(self._kernels) > 1 else []
            table = Table.grid(padding=(0, 2, 0, 0), expand=True)
            for _ in range(4):
                table.add_column(no_wrap=True)
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
            now = self._clock()
            for name in self._left()[: max(1, height - 2 - len(foot))]:
                progress = self._kernels[name]
                cells = (Text(one_line(cell)) for cell in (name, *progress.cells(self.total, now)))
                table.add_row(*cells, style="red" if progress.failed else "")
            return Group(table, *foot)

    def _foot(self) -> str:
        kernels = self._kernels.values()
        done = sum(progress.over(self.total) for progress in kernels)
        waiting = sum(progress.state == WAITING for progress in kernels)
        failed = sum(progress.failed for progress in kernels)
        parts = [
            f"{done} of {count(len(kernels), 'kernel')} done",
            f"{waiting} waiting" if waiting else "",
            f"{count(failed, 'test')} failed" if failed else "",
            self._time_left(),
        ]
        return ", ".join(filter(None, parts))

    def _time_left(self) -> str:
        """Say when all kernels will be done if the pace stays as it is."""
        kernels = self._kernels.values()
        begun = min((progress.begun for progress in kernels if progress.begun is not None), default=None)
        done = sum(progress.done for progress in kernels)
        if begun is None or not done or not self.total:
            return ""
        left = sum(self.total - progress.done for progress in kernels if not progress.over(self.total))
        last = max(progress.last for progress in kernels)
        return _time_left(begun, last, self._clock(), done, left)


@dataclass
class _AsItIs:
    """Whole lines that pytest has written, with its colours."""

    text: str

    def __rich_console__(self, *_: object) -> RenderResult:
        yield Segment(self.text)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait: in the middle of a picture it would leave half of one behind, which nobody takes away."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Display:
    """The stream that pytest writes to, with the board below it on a terminal, and now and then a line in a log.

    A thread of its own keeps it moving while the session waits for something. Where tests run in this process they
    shall be alone in it, and what is shown moves as tests begin and end.
    """

    def __init__(
        self, stream: TextIO, *, thread: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Be nothing but `stream` until `begin`."""
        self.board = Board(clock)
        self.stream = stream
        self._clock = clock
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._above = ""
        self._line_is_open = False
        self._when = clock()
        self._pulse = threading.Thread(target=self._beat, daemon=True, name="display") if thread else None
        self._begun = False
        self._end = threading.Event()

    def begin(self, *, live: bool, colour: bool) -> None:
        """Show how far the run is from now on: `live`, at the foot of a terminal, or with lines in a log."""
        if self._begun or self._end.is_set():
            return
        self._begun = True
        if live:
            console = Console(file=self.stream, no_color=not colour)
            self._live = Live(
                self.board,
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=self._pulse is not None,  # else pytest captures what tests write there
                vertical_overflow="crop",
            )
            self._live.start()
        if self._pulse:
            self._pulse.start()

    def _beat(self) -> None:
        # Whoever has hung up wants to see nothing more; the session itself will notice.
        with suppress(OSError, ValueError):
            while not self._end.wait(_FRAME):
                self.tick()

    def moved(self) -> None:
        """Draw, if there is no thread that does and the last time is long enough ago."""
        if self._begun and self._pulse is None and self._clock() - self._when >= _FRAME:
            self.tick()

    def tick(self) -> None:
        """Draw the board below what was written meanwhile, or break a long silence."""
        with self._lock:
            if self._end.is_set():
                return
            if self._live:
                with _undisturbed():
                    self._draw(self._live)
                self._when = self._clock()
            elif self._clock() - self._when >= _SILENCE and not self._line_is_open:
                self._write(f"{sentence}\n" if (sentence := self.board.sentence()) else "")

    def _draw(self, live: Live) -> None:
        lines, newline, self._above = self._above.rpartition("\n")
        if newline:
            live.console.print(_AsItIs(lines + newline), crop=False, end="")
        else:
            live.refresh()

    def stop(self) -> None:
        """Take the board away; from now on this is nothing but the stream again."""
        self._end.set()
        if self._pulse and self._pulse.is_alive():
            self._pulse.join()
        with self._lock:
            if self._live:
                live, self._live = self._live, None
                try:
                    self._draw(live)
                finally:
                    live.stop()
                self._write(self._above)

    # ---- a stream for pytest ----

    def write(self, text: str) -> int:
        """Write above the board; what a terminal would obey, but for colours, is spelt out."""
        text = harmless(text)
        with self._lock:
            if self._live is None:
                self._write(text)
            elif "\r" not in text:  # else it is a line that is rewritten all the time, as the board is
                self._above += text
        return len(text)

    def _write(self, text: str) -> None:
        if text:
            encoding = self.stream.encoding or "utf-8"
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()
            self._line_is_open = not text.endswith("\n")
            self._when = self._clock()

    def flush(self) -> None:
        """Do nothing: what is written is on its way already."""

    def __getattr__(self, name: str) -> Any:
        """Be the stream in all other respects."""
        return getattr(self.stream, name)


def wanted(stream: TextIO) -> bool:
    """Whether there is a terminal that can show a board, and a person in front of it, as rich and pytest tell."""
    console = Console(file=stream)
    alone = os.environ.get("CI") or os.environ.get("BUILD_NUMBER")
    return stream.isatty() and console.is_interactive and console.encoding.startswith("utf") and not alone
