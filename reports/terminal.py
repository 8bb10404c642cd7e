# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal of a run on kernels: one line a finished test, as it comes, with its kernel."""

from collections.abc import Generator
from pathlib import Path

import pytest

from reports.collector import CRASH, kernel_of, status_of
from reports.results import Result
from reports.status import VOCABULARY, Status
from reports.summary import Line, result_line, summary
from reports.text import printable


class Terminal:
    """Takes the place of pytest's dots, which know no kernels; pytest's details of failures stay."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
        """Tell `reporter`, which goes on to do the writing, what to leave to us."""
        self._config = config
        self._reporter = reporter
        self._width = len("6.12")
        self._as_tests_end = True
        reporter.showfspath = False
        # Our own list of what failed stands in for those lines of pytest's short summary.
        reporter.reportchars = reporter.reportchars.replace("f", "").replace("E", "")

    def result(self, result: Result) -> None:
        """Write the line of a finished test; with `-q` only if it is a bad one."""
        self._width = max(self._width, len(result.kernel))
        if self._config.option.verbose >= 0 or result.words.bad:
            self._write(result_line(result, self._width))

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
        """Write the last line."""
        self._write(Line(f"results: {run}"))

    def _write(self, line: Line) -> None:
        self._reporter.write_line(line.text, **({line.colour: True} if line.colour else {}))

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
        """Name the kernel in the details that pytest shows at the end; nobody else uses the report now."""
        report.sections = [(name, printable(text)) for name, text in report.sections]
        kernel = kernel_of(report)
        path, line, domain = report.location
        name = report.nodeid.partition("::")[2] if report.when == CRASH else domain
        report.location = path, line, f"{name} on {kernel}"
        report.nodeid = f"{report.nodeid}[{kernel}]"
