# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal of a run on kernels: bad results as they come, a live line per kernel, and what came out."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from reports.collector import CRASH, kernel_of, status_of
from reports.live import Board
from reports.results import Result
from reports.run import PAGE
from reports.status import VOCABULARY, Status
from reports.summary import Line, kernel_line, result_line, summary
from reports.text import printable


class Terminal:
    """Takes the place of pytest's dots, which know no kernels; pytest's details of failures stay."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
        """Tell `reporter`, which goes on to do the writing, what to leave to us."""
        self._config = config
        self._reporter = reporter
        self._width = len("6.12")
        self._as_tests_end = True
        self._total = 0
        self._ended: dict[str, list[Result]] = {}
        self._board: Board | None = None
        reporter.showfspath = False
        # Our own list of what failed stands in for those lines of pytest's short summary.
        reporter.reportchars = reporter.reportchars.replace("f", "").replace("E", "")

    def result(self, result: Result) -> None:
        """Take note of a finished test; write its line with `-v`, or if it is a bad one."""
        ended = self._ended.setdefault(result.kernel, [])
        ended.append(result)
        self._width = max(self._width, len(result.kernel))
        if self._config.option.verbose >= 0 or result.words.bad:
            self._write(result_line(result, self._width))
        if self._board:
            self._board.finished(result)
        elif len(ended) == self._total:
            self._write(kernel_line(result.kernel, ended, self._width))

    def complain(self, line: str) -> None:
        """Write a line about something that went wrong."""
        self._write(Line(line, "red"))

    def summary(self, results: list[Result]) -> None:
        """Write what failed and the table of kernels; pytest may say the rest in its own words."""
        self._as_tests_end = False
        self._reporter.write_sep("=", "results")
        for line in summary(results):
            self._write(line)

    def end(self, run: Path) -> None:
        """Write the last line: where the page is, or all the rest if there is none."""
        page = run / PAGE
        self._write(Line(f"results: {page if page.exists() else run}"))

    def _write(self, line: Line) -> None:
        self._reporter.write_line(line.text, **({line.colour: True} if line.colour else {}))

    # ---- the live lines ----

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Have live lines at the foot of a terminal while tests run."""
        writer = self._reporter._tw  # noqa: SLF001 - pytest has no other way between it and its terminal
        if self._reporter.isatty and os.environ.get("TERM") != "dumb":
            self._board = Board(writer._file)  # noqa: SLF001
            self._board.total = self._total
            writer._file = self._board  # noqa: SLF001
        try:
            return (yield)
        finally:
            if self._board:
                writer._file = self._board.close()  # noqa: SLF001
                self._board = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many tests there are, of our own process."""
        self._learn(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn how many tests there are, of a worker: it is the same number on every kernel."""
        self._learn(len(ids))

    def _learn(self, total: int) -> None:
        self._total = max(self._total, total)
        if self._board:
            self._board.total = self._total

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Tell pytest what to count and what to show details of, and to write nothing as tests end."""
        if not self._as_tests_end:
            return None
        status = status_of(report)
        if status is Status.PASS and report.when != "call":
            return "", "", ""
        # pytest itself puts an unexpected pass that counts as a failure among the failures.
        unexpected = status is Status.XPASS and report.failed
        return "failed" if unexpected else VOCABULARY[status].pytest, "", ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(self) -> Generator[None, None, None]:
        """Keep pytest from announcing each test under -v: it does not know the kernel."""
        verbose, self._config.option.verbose = self._config.option.verbose, 0
        try:
            return (yield)
        finally:
            self._config.option.verbose = verbose

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show what runs, and name the kernel in the details at the end; nobody else uses the report now."""
        if self._board and report.when == "setup":
            self._board.running(kernel_of(report), report.nodeid)
        report.sections = [(name, printable(text)) for name, text in report.sections]
        kernel = kernel_of(report)
        path, line, domain = report.location
        name = report.nodeid.partition("::")[2] if report.when == CRASH else domain
        report.location = path, line, f"{name} on {kernel}"
        report.nodeid = f"{report.nodeid}[{kernel}]"
