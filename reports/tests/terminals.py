# SPDX-License-Identifier: GPL-2.0-or-later
"""Terminals for tests: an emulator that shows what a person would see."""

import os
import pty
import sys
import termios
from collections.abc import Callable

import pyte

from reports.tests.conftest import Project

LINES, COLUMNS = 24, 80


class Emulator:
    """A stream that is a terminal; `seen` has every picture that it showed after a write."""

    encoding = "utf-8"

    def __init__(self, lines: int = LINES, columns: int = COLUMNS) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=10000)
        self.screen.set_mode(pyte.modes.LNM)
        self.parser = pyte.Stream(self.screen)
        self.output = ""
        self.seen: list[list[str]] = []

    def write(self, text: str) -> int:
        self.output += text
        self.parser.feed(text)
        self.seen.append(self.rows)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

    @property
    def rows(self) -> list[str]:
        """What is on the screen, without empty rows at the end."""
        rows = [row.rstrip() for row in self.screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def everything(self) -> list[str]:
        """What has left the screen at the top, and what is on it."""
        above = (
            "".join(row[column].data for column in sorted(row)).rstrip() for row in self.screen.history.top
        )
        return [*above, *self.rows]

    @property
    def cursor(self) -> bool:
        return not self.screen.cursor.hidden


def run(
    project: Project,
    *arguments: str,
    on_picture: Callable[[Emulator, int], None] = lambda _terminal, _keyboard: None,
    environment: dict[str, str] | None = None,
) -> Emulator:
    """Run pytest in a terminal of its own; `on_picture` may look at each picture, and type."""
    plugins = ["-p", "no:cacheprovider", "-p", "reports.plugin", "-p", "reports.tests.machines"]
    command = [sys.executable, "-m", "pytest", *plugins, "--on-this-machine", *arguments]
    meddling = ("PYTEST", "CI", "NO_COLOR", "FORCE_COLOR", "BUILD_NUMBER", "COLUMNS", "LINES")
    inherited = os.environ | project.environment
    clean = {name: value for name, value in inherited.items() if not name.startswith(meddling)}
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, (LINES, COLUMNS))
        os.chdir(project.directory)
        os.execvpe(command[0], command, clean | {"KERNEL": "6.1", "TERM": "xterm"} | (environment or {}))
    emulator = Emulator()
    try:
        while data := os.read(terminal, 65536):
            emulator.write(data.decode(errors="replace"))
            on_picture(emulator, terminal)
    except OSError:  # Linux' way to say that nobody has the terminal open any more
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return emulator
