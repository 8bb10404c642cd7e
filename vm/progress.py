# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows the progress of downloads: for a command on a terminal or in a log, for a run through a hook."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from vm.hooks import State

if TYPE_CHECKING:
    import pytest

KERNELS = "kernels"
"""Used in place of a kernel's name while the kernels of a run are prepared."""


PULSE = 4.0
"""Seconds between two lines about an operation that takes long."""


class _Pulse:
    """Lines on standard error about an operation: one at once, and more at intervals while it lasts."""

    def __init__(self) -> None:
        self._what, self._percent, self._begin = "", 0.0, 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="pulse")

    def tell(self, what: str, percent: float = 0.0) -> None:
        """Print the operation, if it is a new one; it is finished at 100 per cent."""
        if what != self._what:
            self._begin = time.monotonic()
            print(f"fapitest: {what}", file=sys.stderr, flush=True)
        self._what, self._percent = what, percent
        if not self._thread.ident:
            self._thread.start()

    def _beat(self) -> None:
        while not self._done.wait(PULSE):
            if self._percent < 100:
                part = f", {self._percent:.0f} %" if self._percent else ""
                seconds = time.monotonic() - self._begin
                print(f"fapitest: {self._what}{part}, {seconds:.0f} s", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Print nothing more."""
        self._done.set()
        if self._thread.ident:
            self._thread.join()


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on standard error what is being waited for: as an animated line on a terminal, else as repeated lines."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(what):
            yield
        return
    pulse = _Pulse()
    pulse.tell(what)
    try:
        yield
    finally:
        pulse.stop()


class Downloads:
    """A display of downloads: a progress bar for each on a terminal, else a line for each and one every PULSE."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._pulse = _Pulse()

    def __enter__(self) -> Self:
        """Return the display."""
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the terminal."""
        self._pulse.stop()
        if self._bars:
            self._bars.stop()

    def show(self, what: str, percent: float) -> None:
        """Show how many per cent of `what` are fetched."""
        if not sys.stderr.isatty():
            self._pulse.tell(what, percent)
            return
        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=100.0)
        self._bars.update(self._tasks[what], completed=percent)


class Preparation:
    """The same for a run of pytest, which has one display for everything: reports through the hook."""

    def __init__(self, config: pytest.Config, name: str = KERNELS) -> None:
        """`name` is what is prepared: the kernels, or a machine. Report nothing yet."""
        self._config = config
        self._name = name

    def __enter__(self) -> Self:
        """Start the preparation."""
        self._tell(State.PREPARING)
        return self

    def __exit__(self, *_: object) -> None:
        """The preparation has succeeded or failed."""
        self._tell(State.ENDED)

    def show(self, what: str, percent: float) -> None:
        """Report how many per cent of `what` are fetched."""
        self._tell(State.PREPARING, f"{percent:.0f} % {what}" if 0 < percent < 100 else what)

    def _tell(self, state: State, detail: str = "") -> None:
        self._config.hook.pytest_kernel_state(kernel=self._name, vm=0, state=state, detail=detail)
