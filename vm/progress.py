# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows downloads: of a command to a person at a terminal and to a log file, of a run to whoever shows that."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from vm.hooks import State

if TYPE_CHECKING:
    import pytest

KERNELS = "kernels"
"""Stands for a kernel's name while the kernels of a run are made ready."""


class Downloads:
    """A display of what is being fetched; one bar per thing at a terminal, one line per thing elsewhere."""

    def __init__(self) -> None:
        """Nothing is shown before something is fetched."""
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        """Return the display."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._bars:
            self._bars.stop()

    def show(self, what: str, percent: float) -> None:
        """Show that of `what` so many per cent are there."""
        if not sys.stderr.isatty():
            if what not in self._said:
                self._said.add(what)
                print(f"fapitest: {what}", file=sys.stderr, flush=True)
            return
        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=100.0)
        self._bars.update(self._tasks[what], completed=percent)


class Preparation:
    """The same for a run of pytest, which has one display for all that goes on: tells it through the hook."""

    def __init__(self, config: pytest.Config) -> None:
        """Nothing is told before it begins."""
        self._config = config

    def __enter__(self) -> Self:
        """Begin to make kernels ready."""
        self._tell(State.PREPARING)
        return self

    def __exit__(self, *_: object) -> None:
        """The kernels are ready, or can not be had."""
        self._tell(State.ENDED)

    def show(self, what: str, percent: float) -> None:
        """Tell that of `what` so many per cent are there."""
        self._tell(State.PREPARING, f"{percent:.0f} % {what}" if 0 < percent < 100 else what)

    def _tell(self, state: State, detail: str = "") -> None:
        self._config.hook.pytest_kernel_state(kernel=KERNELS, vm=0, state=state, detail=detail)
