# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal of a run on kernels: what fails as it comes, how far each kernel is, what came out, what to do next."""

import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TextIO, cast

import pytest

from helpers.contract.manifest import COMPLETE, Balance
from helpers.contract.results import Result
from helpers.contract.status import VOCABULARY, Status
from reports import again
from reports.evidence import catalogue
from reports.live import Display, wanted
from reports.names import SERIES
from reports.phase import CRASH, kernel_of, status_of
from reports.run import PAGE
from reports.summary import Line, kernel_line, result_line, result_rows, summary
from reports.text import one_line, presentable, printable


def take_over(config: pytest.Config) -> Display | None:
    """Give pytest's reporter, which is made next, a display to write to instead of stdout, if there will be one."""
    if not config.pluginmanager.hasplugin("terminal"):
        return None
    display = Display(sys.stdout, thread=not config.getoption("on_this_machine", default=False))
    sys.stdout = cast("TextIO", display)
    return display


def give_back(display: Display) -> None:
    """End the display, and let stdout be what it was."""
    display.stop()
    if sys.stdout is cast("TextIO", display):
        sys.stdout = display.stream


class Terminal:
    """Takes the place of pytest's dots, which know no kernels; pytest's details of failures stay."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter, display: Display) -> None:
        """Tell `reporter`, which goes on to do the writing, what to leave to us."""
        self._config = config
        self._reporter = reporter
        self._display = display
        self._live = wanted(display.stream) and config.option.capture != "no"
        self._asked: list[str] = config.getoption("kernel", default=None) or []
        self._width = max((len(name) for name in self._asked if SERIES.fullmatch(name)), default=len("6.12"))
        self._as_tests_end = True
        self._ended: dict[str, list[Result]] = {}
        self._expected: dict[tuple[str, str], str] = {}
        """(kernel, test) -> the phase in which it first failed as expected."""
        reporter.showfspath = False
        # Our own list of what failed stands in for those lines of pytest's short summary.
        reporter.reportchars = reporter.reportchars.replace("f", "").replace("E", "")

    def result(self, result: Result) -> None:
        """Take note of a finished test; write its line with `-v`, or if it is a bad one."""
        ended = self._ended.setdefault(result.kernel, [])
        ended.append(result)
        self._width = max(self._width, len(result.kernel))
        if self._config.option.verbose > 0 or (result.words.bad and not result.not_run):
            for line in self._lines(result):
                self._write(line)
        self._display.board.finished(result)
        if len(ended) == self._display.board.total:
            self._write(kernel_line(result.kernel, ended, self._width))
        self._display.moved()

    def _lines(self, result: Result) -> list[Line]:
        if self._live:
            return result_rows(result, self._width, shutil.get_terminal_size().columns)
        return [result_line(result, self._width)]

    def complain(self, line: str) -> None:
        """Write a line about something that went wrong."""
        self._write(Line(line, "red"))

    def summary(self, results: list[Result]) -> None:
        """Write what failed and the table of kernels; pytest may say the rest in its own words."""
        self._as_tests_end = False
        self._reporter.write_sep("=", "results")
        columns = shutil.get_terminal_size().columns if self._live else None
        for line in summary(results, columns, catalogue()):
            self._write(line)

    def end(self, run: Path, results: list[Result], balance: Balance) -> None:
        """Write whether all tests ran, and what to do next: where a dead kernel's console is, how to run what failed
        again, where the page is.
        """
        if balance.headline != COMPLETE:
            self._write(Line(balance.headline, "yellow" if balance.complete else "red"))
        for kernel, console in again.consoles(results, run):
            self._write(Line(f"{kernel} did not boot; its console: {console}", "red"))
        if command := again.command(results, self._asked, str(run / again.FAILED)):
            self._write(Line(f"run what failed again: {command}"))
        page = run / PAGE
        self._write(Line(f"results: {page if page.exists() else run}"))

    def _write(self, line: Line) -> None:
        self._reporter.write_line(line.text, **({line.colour: True} if line.colour else {}))

    # ---- how far the kernels are ----

    @pytest.hookimpl(optionalhook=True)
    def pytest_kernel_state(self, kernel: str, vm: int, state: str, detail: str) -> None:
        """Show what goes on with a kernel, at the foot of a terminal or in a line; may be called in any thread."""
        self._begin()
        news = self._display.board.state(kernel, vm, state, detail)
        if news and not self._live and self._config.option.verbose >= 0:
            line = f"{kernel:<{self._width}}  {state}  {detail}".rstrip()
            self._display.write(f"{one_line(line)}\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Show how far the tests are, and no longer."""
        self._begin()
        try:
            return (yield)
        finally:
            self._display.stop()

    def _begin(self) -> None:
        self._display.begin(live=self._live, colour=self._reporter.hasmarkup)

    def pytest_enter_pdb(self) -> None:
        """Leave the terminal to the debugger."""
        self._display.stop()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many tests there are, of our own process."""
        self._learn(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn how many tests there are, of a worker: it is the same number on every kernel."""
        self._learn(len(ids))

    def _learn(self, total: int) -> None:
        self._display.board.total = max(self._display.board.total, total)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Tell pytest what to count and what to show details of, and to write nothing as tests end."""
        if not self._as_tests_end:
            return None
        status = status_of(report)
        if status is Status.PASS and report.when != "call":
            return "", "", ""
        if status is Status.XFAIL:
            # A known issue that shows itself in the test and again while it is torn down is one.
            test = kernel_of(report), report.nodeid
            if self._expected.setdefault(test, report.when) != report.when:
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
        """Show what runs, and make the details at the end fit to be shown; nobody else uses the report now."""
        kernel = kernel_of(report)
        if report.when == "setup":
            self._display.board.running(kernel, report.nodeid)
            self._display.moved()
        path, line, domain = report.location
        name = report.nodeid.partition("::")[2] if report.when == CRASH else domain
        report.location = path, line, one_line(f"{name} on {kernel}")
        report.nodeid = printable(f"{report.nodeid}[{kernel}]")
        report.sections = presentable(report.sections)
        report.longrepr = presentable(report.longrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Make what could not be collected fit to be shown."""
        report.longrepr = presentable(report.longrepr)
