# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room: says how each test ended, and loads reports.session where a run is recorded."""

import os
from collections.abc import Generator
from typing import Any

import pytest

from helpers.contract.properties import Property
from helpers.contract.status import Status
from reports.last_failed import LastFailed, last_failed
from reports.text import first_lines

_LAST_FAILED = pytest.StashKey[LastFailed]()
WRONG_ANSWER = (AssertionError, pytest.fail.Exception)
"""What a test raises when the kernel breaks the documented behaviour; all else is the test's own fault.

helpers.errors.judged makes such a one of an errno that a test of the suites did not expect.
"""


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
    if hasattr(config, "workerinput"):
        config.stash[_LAST_FAILED] = LastFailed(frozenset(config.workerinput.get("last-failed", ())), "")
    elif on_kernels and "FAPITEST_VM" not in os.environ:  # a VM's shell has nobody to keep a report
        if config.getoption("lf", default=False):
            config.stash[_LAST_FAILED] = last_failed(config.getoption("results"))
        if not (config.option.collectonly or config.option.help):
            config.pluginmanager.import_plugin("reports.session")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker what failed last: it knows of no run."""
    if last := node.config.stash.get(_LAST_FAILED, None):
        node.workerinput["last-failed"] = sorted(last.tests)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run only what failed, for `--lf`."""
    if last := config.stash.get(_LAST_FAILED, None):
        last.select(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what `--lf` has found; where allure-pytest writes a report, load what tells a test's place in it."""
    plugins = session.config.pluginmanager
    last, terminal = session.config.stash.get(_LAST_FAILED, None), plugins.getplugin("terminalreporter")
    if last and last.sentence and terminal:
        terminal.write_line(f"--lf: {last.sentence}")
    if plugins.hasplugin("allure_listener"):
        plugins.import_plugin("reports.allure_identity")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 - pluggy gives a wrapper the arguments that it names
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the status of the phase and the first lines of its message to the report."""
    report = yield
    status, text = judge(call.excinfo, report)
    report.user_properties += [(Property.STATUS, str(status)), (Property.MESSAGE, first_lines(text))]
    return report


def judge(
    excinfo: pytest.ExceptionInfo[BaseException] | None, report: pytest.TestReport
) -> tuple[Status, str]:
    """Return how a phase ended and what there is to say about it."""
    if hasattr(report, "wasxfail"):
        # A pass that was not expected with certainty (strict=False) is one; otherwise the report has failed, see below.
        return (Status.XFAIL if report.skipped else Status.PASS), report.wasxfail.removeprefix("reason: ")
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
