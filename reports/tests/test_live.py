# SPDX-License-Identifier: GPL-2.0-or-later
import io
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from reports.live import Board, Progress
from reports.results import Result
from reports.status import Status
from reports.tests.conftest import Project


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def screen(output: str) -> list[str]:
    """Return what a terminal shows after this output: lines, cursor up, erase to the end, colours."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|\r?\n|\r|[^\x1b\r\n]+", output):
        if part.endswith("\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            row -= int(up[1])
            assert row >= 0
        elif part == "\x1b[J":
            lines[row:] = [""]
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return lines


@pytest.fixture(autouse=True)
def _size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")


def result(kernel: str, status: Status = Status.PASS, test: str = "a.py::x") -> Result:
    return Result(kernel, "", "", test, [], status)


def test_a_line() -> None:
    progress = Progress(begun=100)
    for status in (Status.PASS, Status.PASS, Status.SKIP, Status.FAIL):
        progress.finished(result("6.1", status))
    progress.running = "test_flags.py::test_x"
    text, colour = progress.line("6.1", total=10, now=140)
    assert text == "6.1        4/10       1 failed    1 skipped  1:00 left   test_flags.py::test_x"
    assert colour == "red"


@pytest.mark.parametrize(("total", "done", "says"), [(0, 1, "1/? "), (2, 2, "done"), (2, 0, "0/2 ")])
def test_what_is_not_known_is_not_said(total: int, done: int, says: str) -> None:
    text, colour = Progress(0, done=done).line("6.1", total, 5)
    assert says in text
    assert "left" not in text
    assert colour == ""


def test_lines_stay_below_what_pytest_writes() -> None:
    clock, stream = Clock(), io.StringIO()
    board = Board(stream, clock)
    board.total = 2
    board.write("begin\n")
    board.running("6.12", "suites/a.py::x")
    clock.now = 1
    board.running("6.1", "suites/a.py::y")
    board.write("6.12  fail  ")
    board.write("a.py::x\n")
    shown = screen(stream.getvalue())
    assert shown[:2] == ["begin", "6.12  fail  a.py::x"]
    assert [line.split()[0] for line in shown[2:-1]] == ["6.1", "6.12"]
    assert shown[2].endswith("a.py::y")
    assert board.close() is stream
    assert screen(stream.getvalue()) == ["begin", "6.12  fail  a.py::x", ""]


def test_it_draws_ten_times_a_second_at_most() -> None:
    clock, stream = Clock(), io.StringIO()
    board = Board(stream, clock)
    for step in range(1000):
        clock.now = step / 1000
        board.finished(result("6.1", test=str(step)))
    assert 5 <= stream.getvalue().count("6.1 ") <= 11


def test_a_small_terminal_shows_the_kernels_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "4")
    monkeypatch.setenv("COLUMNS", "30")
    clock, stream = Clock(), io.StringIO()
    board = Board(stream, clock)
    board.total = 1
    for number in range(9):
        board.running(f"6.{number}", "a.py::" + "x" * 100)
    for number in range(7):
        board.finished(result(f"6.{number}"))
    clock.now = 1
    board.running("6.8", "a.py::y")
    assert [line.split()[0] for line in screen(stream.getvalue())[-3:-1]] == ["6.7", "6.8"]
    assert all(len(line) < 30 for line in screen(stream.getvalue()))


def run_in_a_terminal(project: Project, *arguments: str, term: str = "xterm") -> str:
    """Run pytest in a terminal of its own and return all that it wrote there."""
    plugins = ["-p", "no:cacheprovider", "-p", "reports.plugin", "-p", "reports.tests.machines"]
    command = [sys.executable, "-m", "pytest", *plugins, "--on-this-machine", *arguments]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "NO_COLOR"))
    }
    environment = clean | project.environment | {"KERNEL": "6.1", "TERM": term}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.directory)
        os.execvpe(command[0], command, environment)
    output = b""
    try:
        while data := os.read(terminal, 65536):
            output += data
    except OSError:  # Linux' way to say that nobody has the terminal open any more
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return output.decode()


TESTS = """
import pytest, time
@pytest.mark.parametrize("number", range(30))
def test_it(number):
    time.sleep(0.02)
    assert number != 7
"""


def test_a_run_in_a_terminal(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("test_a.py", TESTS)
    output = run_in_a_terminal(project, "--results", str(tmp_path / "run"), "--tb=no")
    assert re.search(r"6\.1 +\d+/30 +0 failed +0 skipped +0:0\d left +test_a\.py::test_it\[\d+\]", output)
    assert re.search(r"\x1b\[31m6\.1 +\d+/30 +1 failed", output)
    shown = screen(output)
    assert not [line for line in shown if "left" in line or "/30" in line]
    assert [line for line in shown if re.match(r"6\.1   fail   test_a\.py::test_it\[7\]", line)]
    assert shown[-2] == f"results: {tmp_path}/run/matrix.html"


def test_no_live_lines_in_a_dumb_terminal(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("test_a.py", TESTS)
    output = run_in_a_terminal(
        project, "--results", str(tmp_path / "run"), "--tb=no", "--color=no", term="dumb"
    )
    assert "\x1b" not in output
    assert "left" not in output
