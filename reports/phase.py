# SPDX-License-Identifier: GPL-2.0-or-later
"""One phase of a test, as a report of pytest tells it: what is kept of it, whoever changes the report later."""

from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from json import loads
from typing import Any

import pytest
from _pytest._io import TerminalWriter

from helpers.contract.properties import Property
from helpers.contract.results import Reason
from helpers.contract.status import VM_GONE, VOCABULARY, Status
from reports.text import LINE_CHARACTERS, bounded, first_lines

CRASH = "???"
"""What pytest-xdist gives as the phase when a worker died (xdist 3.8, dsession.py, handle_crashitem)."""

NO_KERNEL = "unknown"
"""The kernel of a report that does not name one."""

_BY_OUTCOME = {"passed": Status.PASS, "skipped": Status.SKIP, "failed": Status.ERROR}
_NO_GUEST = (*VM_GONE, Status.NOT_RUN)
"""What the host says of a test when no guest can."""
_CONSOLE = "console"
_MOST_CHARACTERS = 500_000


@dataclass(frozen=True)
class Phase:
    """Setup, call or teardown of a test, or the end of its VM; the fields are those of a result."""

    when: str
    status: Status
    duration: float
    message: str
    reason: Reason | None = None
    where: str = ""
    traceback: str = ""
    output: str = ""
    kernel_log: str = ""
    console: str | None = None
    behaviours: list[str] = field(default_factory=list)
    new_features: list[str] = field(default_factory=list)
    allure: dict[str, Any] | None = None

    @property
    def says_something(self) -> bool:
        """Whether it says something about its test, should no other phase come."""
        return self.when != "setup" or self.status is not Status.PASS

    @property
    def bad(self) -> bool:
        """Whether it alone makes a run fail."""
        return VOCABULARY[self.status].bad


def facts(report: pytest.TestReport) -> dict[str, str]:
    """Return the report's properties by name, the last of each name."""
    return {str(name): str(value) for name, value in report.user_properties}


def every(wanted: str, report: pytest.TestReport) -> list[str]:
    """Return the properties of one name, each value once."""
    return list(dict.fromkeys(str(value) for name, value in report.user_properties if name == wanted))


def kernel_of(report: pytest.TestReport) -> str:
    """Return the name of the kernel that a report is about."""
    return facts(report).get(Property.KERNEL, NO_KERNEL)


def status_of(report: pytest.TestReport) -> Status:
    """Return the status of one phase: what the process that ran it found out, or what became of its VM."""
    known = facts(report)
    if report.when == CRASH:
        return next((status for status in _NO_GUEST if status == known.get(Property.LOST)), Status.LOST)
    # The process that ran the phase may have been anybody's: what it says is taken if it is possible.
    return next(
        (status for status in Status if status == known.get(Property.STATUS)), _BY_OUTCOME[report.outcome]
    )


def phase_of(report: pytest.TestReport) -> Phase:
    """Return what is kept of a report."""
    known, status = facts(report), status_of(report)
    bad = VOCABULARY[status].bad
    gone = report.when == CRASH
    message = known.get(Property.MESSAGE) or ("" if report.passed else first_lines(str(report.longrepr)))
    return Phase(
        when=report.when,
        status=status,
        duration=report.duration,
        message=message,
        reason=_reason(status, known, message),
        where=known.get(Property.WHERE, "")[:LINE_CHARACTERS] if bad else "",
        traceback=_traceback(report) if bad and not gone else "",
        output=_output(report),
        kernel_log=bounded(known.get(Property.KERNEL_LOG, "")),
        console=dict(report.sections).get(_CONSOLE) if gone else None,
        behaviours=every(Property.BEHAVIOUR, report),
        new_features=every(Property.NEW_FEATURE, report),
        allure=_object(known.get(Property.ALLURE, "")),
    )


class _Enough(Exception):  # noqa: N818 - it is no error
    """More was written than anybody will read."""


class _Room(StringIO):
    def write(self, text: str) -> int:
        if self.tell() > _MOST_CHARACTERS:
            raise _Enough
        return super().write(text)


def _traceback(report: pytest.TestReport) -> str:
    """Return what pytest shows of a failure; of millions of lines the first ones."""
    room = _Room()
    with suppress(_Enough):
        report.toterminal(TerminalWriter(room))
    return bounded(room.getvalue().strip())


def _reason(status: Status, known: dict[str, str], message: str) -> Reason | None:
    """A skip carries its type if the test gave one; an expected failure is a known issue."""
    if status is Status.SKIP:
        kind = known.get(Property.SKIP_KIND, "untyped")
        return Reason(kind, known.get(Property.SKIP_TEXT) or message)
    if status in (Status.XFAIL, Status.XPASS):
        return Reason("known-issue", known.get(Property.MESSAGE, ""))
    return None


def _output(report: pytest.TestReport) -> str:
    """Return what the test has written up to now, as pytest's sections hold it."""
    written = [(title, text) for title, text in report.sections if title != _CONSOLE and text.strip()]
    return bounded("\n".join(f"--- {title} ---\n{text.rstrip()}" for title, text in written))


def _object(text: str) -> dict[str, Any] | None:
    """Return the object that a text in JSON is, if it is one."""
    try:
        found = loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
