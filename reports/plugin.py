# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room: says how each test ended, and loads reports.session where a run is recorded."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.contract.properties import Property
from helpers.contract.status import Status
from reports.last_failed import LastFailed, last_failed
from reports.text import first_lines, joined

_LAST_FAILED = pytest.StashKey[LastFailed]()
WRONG_ANSWER = (AssertionError, pytest.fail.Exception)
"""What a test raises when the kernel does not do what the test expects; all else is the test's own fault.

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
    """Load what hears a test's marks, and what records a run, in its process; without a kernel there is none."""
    on_kernels = any(
        config.getoption(name, default=None) for name in ("--kernel", "--matrix", "--on-this-machine")
    )
    if config.pluginmanager.hasplugin("allure_pytest") and (on_kernels or hasattr(config, "workerinput")):
        config.pluginmanager.import_plugin("reports.marks")
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
    """Say what `--lf` has found."""
    plugins = session.config.pluginmanager
    last, terminal = session.config.stash.get(_LAST_FAILED, None), plugins.getplugin("terminalreporter")
    if last and last.sentence and terminal:
        terminal.write_line(f"--lf: {last.sentence}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the status of the phase, the first lines of its message and the place of its failure to the report."""
    report = yield
    status, text = judge(call.excinfo, report)
    if call.excinfo and report.failed:
        error = call.excinfo.value
        where = place(error, item.config.rootpath)
        text = joined([_located(text, where) if status is Status.ERROR else text, *_others(error)])
        report.user_properties.append((Property.WHERE, where))
    report.user_properties += [(Property.STATUS, str(status)), (Property.MESSAGE, first_lines(text))]
    return report


def _located(text: str, where: str) -> str:
    """Say where a test broke: without that `KeyError: 'x'` says nothing."""
    first, newline, rest = text.partition("\n")
    return f"{first} ({where}){newline}{rest}" if where else text


def _others(error: BaseException) -> list[str]:
    """Return the messages of all errors of a group; none of an error that is alone."""
    return [
        str(one) if isinstance(one, WRONG_ANSWER) and str(one) else f"{type(one).__name__}: {one}"
        for one in _errors(error)
        if one is not error
    ]


def _errors(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _errors(one)
    else:
        yield error


def place(error: BaseException, root: Path) -> str:
    """Return where in the project's files an error comes from, `file:line`: the innermost frame that is not hidden."""
    for one in _errors(error):
        if one.__traceback__ is None:
            continue
        for entry in reversed(pytest.ExceptionInfo.from_exception(one).traceback):
            path = Path(entry.path)
            if path.is_relative_to(root) and not entry.ishidden(None):
                return f"{path.relative_to(root)}:{entry.lineno + 1}"
    return ""


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
