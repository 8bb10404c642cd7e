# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room: says how each test ended, and loads reports.session where a run is recorded."""

from collections.abc import Generator

import pytest

from reports.status import Status
from reports.text import first_lines

WRONG_ANSWER = (AssertionError, pytest.fail.Exception)
"""What a test raises when the kernel breaks the documented behaviour; all else is the test's own fault."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--results`."""
    parser.getgroup("reporting").addoption(
        "--results",
        metavar="DIR",
        help="Directory for the results of this run; one that holds results already is never overwritten "
        "(default: reports/out/<time in UTC>, with reports/out/latest pointing at it)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load what records a run, in the process that records it; without a kernel there is none."""
    on_kernels = any(
        config.getoption(name, default=None) for name in ("--kernel", "--matrix", "--on-this-machine")
    )
    if on_kernels and not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.import_plugin("reports.session")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Where allure-pytest writes a report, load what tells the controller about a test's place in it."""
    if session.config.pluginmanager.hasplugin("allure_listener"):
        session.config.pluginmanager.import_plugin("reports.allure_identity")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 - pluggy gives a wrapper the arguments that it names
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the status of the phase and the first lines of its message to the report."""
    report = yield
    status, text = judge(call.excinfo, report)
    report.user_properties += [("status", str(status)), ("message", first_lines(text))]
    return report


def judge(
    excinfo: pytest.ExceptionInfo[BaseException] | None, report: pytest.TestReport
) -> tuple[Status, str]:
    """Return how a phase ended and what there is to say about it."""
    if hasattr(report, "wasxfail"):
        return (Status.XFAIL if report.skipped else Status.XPASS), report.wasxfail.removeprefix("reason: ")
    if excinfo is None:
        # Without an exception pytest fails a test for one thing only: it was expected to fail.
        return (Status.XPASS, _xpass_reason(report)) if report.failed else (Status.PASS, "")
    if report.skipped:
        return Status.SKIP, str(excinfo.value)
    if wrong := _wrong_answer(excinfo.value):
        return Status.FAIL, str(wrong) or type(wrong).__name__
    return Status.ERROR, excinfo.exconly()


def _xpass_reason(report: pytest.TestReport) -> str:
    return str(report.longrepr).removeprefix("[XPASS(strict)]").strip()


def _wrong_answer(error: BaseException) -> BaseException | None:
    """Return the error, or the first in a group of them, that speaks of the kernel and not of the test."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_wrong_answer, error.exceptions)), None)
    return error if isinstance(error, WRONG_ANSWER) else None
