# SPDX-License-Identifier: GPL-2.0-or-later
"""The foot of a terminal while tests run: a line per kernel, rewritten in place."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from reports.results import Result, in_order
from reports.status import Status
from reports.summary import Line
from reports.text import one_line

_UP = "\x1b[{}A\r"
_ERASE_DOWN = "\x1b[J"
_SHADES = {"red": "\x1b[31m{}\x1b[0m", "": "{}"}
_PAUSE = 0.1
"""Seconds between two drawings: a terminal behind a slow line must not become what tests wait for."""


@dataclass
class Progress:
    """How far a kernel is; `begun` is a reading of the clock, in seconds."""

    begun: float
    done: int = 0
    failed: int = 0
    skipped: int = 0
    running: str = ""

    def finished(self, result: Result) -> None:
        """Count a result."""
        self.done += 1
        self.failed += result.words.bad
        self.skipped += result.status is Status.SKIP

    def line(self, kernel: str, total: int, now: float) -> Line:
        """Return what there is to say: counts, the time left, and the test that runs."""
        counts = f"{self.done:>5}/{total or '?':<5}  {self.failed:>3} failed  {self.skipped:>3} skipped"
        text = f"{kernel:<6} {counts}  {self._left(total, now):<10}  {self.running}"
        return Line(one_line(text).rstrip(), "red" if self.failed else "")

    def _left(self, total: int, now: float) -> str:
        if not self.done or not total:
            return ""
        if self.done >= total:
            return "done"
        minutes, seconds = divmod(round((now - self.begun) / self.done * (total - self.done)), 60)
        return f"{minutes}:{seconds:02} left"


class Board:
    """The lines of all kernels. It is also the stream that pytest writes to, so that the lines stay below that."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """`stream` is a terminal; `total`, the number of tests on each kernel, may be set when it is known."""
        self.total = 0
        self._stream = stream
        self._clock = clock
        self._kernels: dict[str, Progress] = {}
        self._drawn = 0
        self._when = clock() - _PAUSE

    def running(self, kernel: str, test: str) -> None:
        """Take note of the test that a kernel runs."""
        self._progress(kernel).running = test.rpartition("/")[2]
        self._draw_sometimes()

    def finished(self, result: Result) -> None:
        """Take note of a result."""
        self._progress(result.kernel).finished(result)
        self._draw_sometimes()

    def _progress(self, kernel: str) -> Progress:
        return self._kernels.setdefault(kernel, Progress(self._clock()))

    def lines(self) -> list[Line]:
        """Return a line per kernel; where the terminal has not room for all, of those that are not done yet."""
        rows = shutil.get_terminal_size().lines
        names = in_order(self._kernels)
        if len(names) >= rows:
            names = [name for name in names if not self.total or self._kernels[name].done < self.total]
        return [self._kernels[name].line(name, self.total, self._clock()) for name in names[: rows - 1]]

    def _draw_sometimes(self) -> None:
        if self._clock() - self._when >= _PAUSE:
            self._draw()

    def _draw(self) -> None:
        columns = shutil.get_terminal_size().columns
        lines = self.lines()
        shown = (_SHADES[colour].format(text[: columns - 1]) for text, colour in lines)
        self._erase()
        self._stream.write("".join(f"{line}\n" for line in shown))
        self._stream.flush()
        self._drawn = len(lines)
        self._when = self._clock()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(_UP.format(self._drawn) + _ERASE_DOWN)
        self._drawn = 0

    def close(self) -> TextIO:
        """Take the lines away and return the terminal."""
        self._erase()
        self._stream.flush()
        return self._stream

    # ---- a stream for pytest ----

    def write(self, text: str) -> int:
        """Write above the lines."""
        self._erase()
        written = self._stream.write(text)
        if text.endswith("\n") and self._kernels:
            self._draw()
        return written

    def __getattr__(self, name: str) -> Any:
        """Be the terminal in all other respects."""
        return getattr(self._stream, name)
