# SPDX-License-Identifier: GPL-2.0-or-later
import io
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

import pytest

from helpers.contract.results import Result
from helpers.contract.status import Status
from reports.live import Board, Display, Progress, wanted
from reports.tests import terminals
from reports.tests.conftest import Project
from reports.tests.terminals import Emulator

SERIES = ("5.10", "6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    _size(monkeypatch, terminals.LINES, terminals.COLUMNS)
    monkeypatch.setenv("TERM", "xterm")


def _size(monkeypatch: pytest.MonkeyPatch, lines: int, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def display(stream: object, clock: Callable[[], float], *, live: bool = True, **options: bool) -> Display:
    made = Display(cast("TextIO", stream), thread=options.get("thread", False), clock=clock)
    made.begin(live=live, colour=True)
    return made


def result(kernel: str, status: Status = Status.PASS, test: str = "a.py::x") -> Result:
    return Result(kernel, "", "", test, [], status)


# ---- what is known of a kernel ----


def progress(**facts: Any) -> Progress:
    return Progress(since=100, **facts)


@pytest.mark.parametrize(
    ("known", "total", "cells"),
    [
        (progress(state="booting"), 0, ("booting", "", "25 s", "")),
        (
            progress(state="preparing", detail="45 % fetching x"),
            0,
            ("preparing", "", "25 s", "45 % fetching x"),
        ),
        (
            progress(begun=105, last=121, done=4, test="a.py::x"),
            10,
            ("4/10 tests", "", "0:20 left", "a.py::x"),
        ),
        (progress(begun=105, last=107, done=2), 10, ("2/10 tests", "", "", "")),
        (progress(begun=105, last=125, done=1, failed=1), 1, ("1/1 test", "1 failed", "0:00 left", "")),
        (progress(begun=105, done=4), 0, ("4 tests", "", "", "")),
        (progress(), 10, ("0/10 tests", "", "", "")),
    ],
    ids=["booting", "fetching", "running", "a long one", "one test", "total unknown", "just begun"],
)
def test_what_there_is_to_say(known: Progress, total: int, cells: tuple[str, ...]) -> None:
    assert known.cells(total, now=125) == cells


STORIES = {
    "one VM": ([(1, "booting"), (1, "collecting"), (1, "running")], "running"),
    "a second boots beside it": ([(1, "running"), (2, "booting")], "running"),
    "the second goes on alone": ([(1, "running"), (2, "running"), (1, "ended")], "running"),
    "a lost one is replaced": ([(1, "running"), (1, "lost"), (2, "booting")], "booting"),
}


@pytest.mark.parametrize(("story", "state"), STORIES.values(), ids=STORIES)
def test_a_kernel_runs_while_one_of_its_vms_does(story: list[tuple[int, str]], state: str) -> None:
    known = progress()
    for vm, told in story:
        known.told(vm, told, "", now=100)
    assert known.state == state


def test_what_is_news() -> None:
    board = Board()
    told = [
        ("waiting", ""),
        ("booting", ""),
        ("collecting", "ready after 3 s"),
        ("running", ""),
        ("ended", ""),
    ]
    assert [board.state("6.1", 1, *words) for words in told] == [False, True, True, True, False]
    told = [
        ("preparing", detail)
        for detail in ("", "fetching x", "7 % fetching x", "50 % fetching x", "unpacking")
    ]
    assert [board.state("kernels", 0, *words) for words in told] == [False, True, False, False, True]


# ---- a terminal ----


def test_the_board_stays_below_what_is_written(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    shown.board.total = 2
    shown.write("begin\n")
    shown.board.running("6.12", "suites/a.py::x")
    shown.tick()
    shown.board.running("6.1", "suites/a.py::y")
    shown.write("6.12  fail  ")
    shown.write("a.py::x\n")
    shown.tick()
    assert terminal.rows[:2] == ["begin", "6.12  fail  a.py::x"]
    assert [row.split()[0] for row in terminal.rows[2:]] == ["6.1", "6.12", "0"]
    assert terminal.rows[2].endswith("a.py::y")


def test_nothing_is_left_of_it_and_nothing_comes_after_its_end(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    shown.board.state("6.1", 1, "booting")
    shown.tick()
    assert not terminal.cursor
    shown.write("one\ntwo\nno end of line")
    shown.stop()
    shown.write("\n")
    clock.now = 100
    shown.tick()
    assert terminal.rows == ["one", "two", "no end of line"]
    assert terminal.cursor


def test_a_thread_keeps_it_moving(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock, thread=True)
    try:
        for seconds in (0, 7):
            clock.now = seconds
            shown.board.state("6.1", 1, "booting")
            deadline = time.monotonic() + 20
            while terminal.rows != [f"6.1  booting    {seconds} s"]:
                assert time.monotonic() < deadline, terminal.rows
    finally:
        shown.stop()


def test_every_kernel_has_a_row(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    for name in SERIES:
        shown.board.state(name, 0, "waiting")
    shown.board.state("7.2", 1, "booting")
    shown.board.state("6.1", 1, "running")
    shown.board.running("6.1", "suites/fanotify_mark/test_flags.py::" + "x" * 500)
    shown.tick()
    others = [name for name in SERIES if name not in ("6.1", "7.2")]
    assert [row.split()[0] for row in terminal.rows[:-1]] == ["6.1", "7.2", *others]
    assert terminal.rows[0].endswith("xxx…")
    assert terminal.rows[-1] == "0 of 11 kernels done, 9 waiting"


def test_the_time_left_of_all_kernels(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    shown.board.total = 4
    shown.board.state("6.12", 0, "waiting")
    shown.board.running("6.1", "a.py::x")
    clock.now = 120
    shown.board.finished(result("6.1"))
    shown.tick()
    assert terminal.rows[-1] == "0 of 2 kernels done, 1 waiting, 14:00 left"


def test_a_small_terminal_shows_the_kernels_at_work(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _size(monkeypatch, 6, 40)
    terminal = Emulator(6, 40)
    shown = display(terminal, clock)
    shown.board.total = 1
    for name in SERIES:
        shown.board.state(name, 0, "waiting")
    for name in SERIES[:5]:
        shown.board.finished(result(name, Status.FAIL))
    shown.board.state("7.3", 1, "running")
    shown.board.running("7.3", "a.py::" + "y" * 100)
    for number in range(20):
        shown.write(f"{number}\n")
        shown.tick()
    assert [row.split()[0] for row in terminal.rows[-4:]] == ["7.3", "6.18", "6.19", "5"]
    assert terminal.everything[:20] == [str(number) for number in range(20)]


def test_a_guest_can_not_command_it(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    shown.board.running("6.1", "a.py::[red]x[/red]\x1b[2J\n\x1b]0;title\x07:smile:")
    shown.write("before \x1b[2J\x1b]0;title\x07 after\n")
    shown.tick()
    assert terminal.rows[0] == r"before \x1b[2J\x1b]0;title\x07 after"
    assert terminal.rows[1].endswith(r"a.py::[red]x[/red]\x1b[2J \x1b]0;title\x07:smile:")
    assert terminal.screen.title == ""


def test_it_draws_four_times_a_second_at_most(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    for step in range(1000):
        clock.now = step / 1000
        shown.board.finished(result("6.1", test=str(step)))
        shown.moved()
    assert 2 <= terminal.output.count("tests") <= 4


def test_a_line_that_is_rewritten_is_not_shown_beside_it(clock: Clock) -> None:
    terminal = Emulator()
    shown = display(terminal, clock)
    shown.write("\x1b[1m\rready: 1/1 worker\x1b[0m")
    shown.write("6.1  fail\n")
    shown.stop()
    assert terminal.rows == ["6.1  fail"]


@pytest.mark.parametrize(
    ("environment", "live"),
    [
        ({}, True),
        ({"CI": ""}, True),
        ({"NO_COLOR": "1"}, True),
        ({"CI": "true"}, False),
        ({"BUILD_NUMBER": "7"}, False),
        ({"TERM": "dumb"}, False),
        ({"TTY_INTERACTIVE": "0"}, False),
    ],
    ids=str,
)
def test_where_a_board_is_wanted(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, live: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wanted(cast("TextIO", Emulator())) is live


def test_no_board_is_wanted_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with os.fdopen(os.pipe()[1], "w", encoding="utf-8") as pipe:
        assert not wanted(pipe)


# ---- a log ----


def test_a_long_silence_is_broken(clock: Clock) -> None:
    log = io.StringIO()
    shown = display(log, clock, live=False)
    shown.board.total = 10
    shown.board.state("6.1", 1, "booting")
    shown.board.state("6.12", 0, "waiting")
    shown.board.running("7.2", "suites/a.py::x")
    for clock.now in range(11):
        shown.tick()
        if clock.now == 1:
            shown.board.finished(result("7.2", Status.FAIL))
    assert log.getvalue().splitlines() == [
        "6.1: booting, 4 s; 7.2: 1/10 tests, 1 failed, 0:06 left, a.py::x",
        "6.1: booting, 8 s; 7.2: 1/10 tests, 1 failed, 0:02 left, a.py::x",
    ]


def test_a_log_that_is_not_silent_is_left_alone(clock: Clock) -> None:
    log = io.StringIO()
    shown = display(log, clock, live=False)
    shown.board.state("6.1", 1, "booting")
    for clock.now in range(11):
        shown.write(".")
        shown.tick()
    assert log.getvalue() == "." * 11
    clock.now = 100
    shown.tick()
    assert log.getvalue() == "." * 11, "the line is not at its end"


def test_nobody_at_work_is_nothing_to_say(clock: Clock) -> None:
    log = io.StringIO()
    shown = display(log, clock, live=False)
    shown.board.state("6.1", 1, "ended")
    clock.now = 100
    shown.tick()
    assert log.getvalue() == ""


def test_a_log_that_knows_few_letters(clock: Clock) -> None:
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    display(log, clock, live=False).write("é\n")
    assert log.buffer.getvalue() == b"\\xe9\n"


# ---- runs ----

TESTS = """
import pytest, time
@pytest.mark.parametrize("number", range(30))
def test_it(number):
    time.sleep(0.02)
    assert number != 7, "wrong " * 100
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("test_a.py", TESTS)
    return made


def test_a_run_in_a_terminal(project: Project) -> None:
    terminal = terminals.run(project, "--results", "run", "--tb=no")
    board = re.compile(r"6\.1  \d+/30 tests +(1 failed +)?0:0\d left +test_a\.py::test_it\[\d+\]")
    assert any(board.fullmatch(row) for rows in terminal.seen for row in rows)
    assert not any(board.fullmatch(row) for row in terminal.everything)
    assert sum("test_it[7]" in row for row in terminal.everything) == 2, "as it comes, and in the summary"
    row = next(n for n, row in enumerate(terminal.everything) if row.startswith("6.1   fail   test_a.py::"))
    assert re.fullmatch(r" {13}(wrong )+wro?n?g?…", terminal.everything[row + 1])
    assert "".join(terminal.rows).endswith(f"results: {project.directory}/run/matrix.html")
    assert terminal.cursor


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "1"}], ids=str)
def test_no_board_where_none_is_wanted(project: Project, environment: dict[str, str]) -> None:
    terminal = terminals.run(project, "--results", "run", "--tb=no", "--color=no", environment=environment)
    assert "\x1b" not in terminal.output
    assert "left" not in terminal.output


@pytest.mark.parametrize(
    ("option", "environment"), [([], {"NO_COLOR": "1"}), (["--color=no"], {})], ids=["environment", "option"]
)
def test_no_colours_if_none_are_wanted(
    project: Project, option: list[str], environment: dict[str, str]
) -> None:
    terminal = terminals.run(project, "--results", "run", "--tb=no", *option, environment=environment)
    assert "0:00 left" in terminal.output
    assert not re.search(r"\x1b\[\d*m", terminal.output)


def test_an_interrupted_run_leaves_the_terminal_as_it_was(project: Project) -> None:
    typed: list[int] = []

    def interrupt(terminal: Emulator, keyboard: int) -> None:
        if not typed and any(re.search(r"\d/30 tests", row) for row in terminal.rows):
            assert not terminal.cursor
            typed.append(os.write(keyboard, b"\x03"))

    # Long enough for many pictures.
    project.write("test_a.py", TESTS.replace("0.02", "0.2"))
    terminal = terminals.run(project, "--results", "run", "--tb=no", on_picture=interrupt)
    assert typed
    assert terminal.cursor
    assert not [row for row in terminal.everything if "left" in row]
    assert [row for row in terminal.rows if row.startswith("results: ")]


def test_a_debugger_has_the_terminal_to_itself(project: Project) -> None:
    typed: list[int] = []

    def quit_debugger(terminal: Emulator, keyboard: int) -> None:
        if not typed and any(row.startswith("(Pdb)") for row in terminal.rows):
            assert terminal.cursor
            typed.append(os.write(keyboard, b"q\n"))

    project.write(
        "test_a.py", TESTS.replace("time.sleep(0.02)", "number < 9 or breakpoint(); time.sleep(0.02)")
    )
    terminal = terminals.run(project, "--results", "run", "--tb=no", on_picture=quit_debugger)
    assert typed
    after = next(number for number, row in enumerate(terminal.everything) if row.startswith("(Pdb)"))
    assert not [row for row in terminal.everything[after:] if "left" in row]
