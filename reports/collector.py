# SPDX-License-Identifier: GPL-2.0-or-later
"""From pytest's reports, one a phase, to one result a test and kernel."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from json import loads
from typing import Any

import pytest

from helpers.contract.properties import Property
from helpers.contract.results import Reason, Result
from helpers.contract.status import VM_GONE, Status, rank
from reports.text import first_lines

CRASH = "???"
"""What pytest-xdist gives as the phase when a worker died (xdist 3.8, dsession.py, handle_crashitem)."""

NO_KERNEL = "unknown"
"""The kernel of a report that does not name one."""

_BY_OUTCOME = {"passed": Status.PASS, "skipped": Status.SKIP, "failed": Status.ERROR}


def now() -> datetime:
    """Return the host's time: the clock of a guest that was restored from a saved state is slow."""
    return datetime.now(UTC)


def facts(report: pytest.TestReport) -> dict[str, str]:
    """Return the report's properties by name, the last of each name."""
    return {str(name): str(value) for name, value in report.user_properties}


def kernel_of(report: pytest.TestReport) -> str:
    """Return the name of the kernel that a report is about."""
    return facts(report).get(Property.KERNEL, NO_KERNEL)


def status_of(report: pytest.TestReport) -> Status:
    """Return the status of one phase: what the process that ran it found out, or what became of its VM."""
    known = facts(report)
    if report.when == CRASH:
        return next((status for status in VM_GONE if status == known.get(Property.LOST)), Status.LOST)
    # The process that ran the phase may have been anybody's: what it says is taken if it is possible.
    return next(
        (status for status in Status if status == known.get(Property.STATUS)), _BY_OUTCOME[report.outcome]
    )


@dataclass
class _Running:
    """A test on a kernel between its first report and its last."""

    started: datetime
    reports: list[pytest.TestReport] = field(default_factory=list)


class Collector:
    """Combines the phases of a test on a kernel into one result; the worst phase decides."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        """`clock` tells the host's time."""
        self._clock = clock
        self._running: dict[tuple[str, str], _Running] = {}
        self._machines: dict[str, dict[str, str]] = {}
        self._behaviours: dict[str, list[str]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._uncollected: dict[str, dict[str, Any]] = {}

    def add(self, report: pytest.TestReport) -> Result | None:
        """Take one report; return the result when it was the last one of its test."""
        key = kernel_of(report), report.nodeid
        self._learn(key, report)
        if key not in self._running:
            self._running[key] = _Running(self._clock() - timedelta(seconds=report.duration))
        self._running[key].reports.append(report)
        return self._finish(key) if report.when in ("teardown", CRASH) else None

    def add_uncollected(self, report: pytest.CollectReport) -> None:
        """Take a report of collection; one that failed becomes a result when the tests are over."""
        if report.failed:
            self._uncollected[report.nodeid] = {
                "status": Status.ERROR,
                "message": f"not collected: {_last_line(str(report.longrepr))}",
                "started": self._clock().isoformat(timespec="milliseconds"),
            }

    def flush(self) -> list[Result]:
        """Return results for what has something to say but whose last report will never come."""
        ended = [key for key, running in self._running.items() if any(map(_says_something, running.reports))]
        results = [self._finish(key) for key in ended]
        self._running.clear()
        return results + self._not_collected()

    def _not_collected(self) -> list[Result]:
        """Return an error for each file and each kernel that ran no test of it.

        pytest-xdist passes on one report for all workers (dsession.py, _failed_worker_collectreport).
        """
        return [
            Result(kernel=kernel, **self._machine(kernel), test=name, behaviours=[], **error)
            for name, error in self._uncollected.items()
            for kernel in self._machines or {NO_KERNEL: {}}
            if not any(ran_on == kernel and test.startswith(f"{name}::") for ran_on, test in self._seen)
        ]

    def _learn(self, key: tuple[str, str], report: pytest.TestReport) -> None:
        """Remember what a crash report does not tell; a test's behaviours are the same on every kernel."""
        kernel, test = key
        self._seen.add(key)
        known = facts(report)
        self._machines.setdefault(kernel, {}).update(
            {name: known[name] for name in (Property.RELEASE, Property.ACCEL) if name in known}
        )
        if named := _every(Property.BEHAVIOUR, report):
            self._behaviours.setdefault(test, named)

    def _machine(self, kernel: str) -> dict[str, Any]:
        return {"release": "", "accel": "", **self._machines.get(kernel, {})}

    def _finish(self, key: tuple[str, str]) -> Result:
        kernel, test = key
        running = self._running.pop(key)
        worst = max(running.reports, key=lambda report: rank(status_of(report)))
        status = status_of(worst)
        gone = worst.when == CRASH
        return Result(
            kernel=kernel,
            **self._machine(kernel),
            test=test,
            # of a test of many rules the phase that failed names those alone that were broken
            behaviours=_every(Property.BEHAVIOUR, worst) or self._behaviours.get(test, []),
            status=status,
            reason=_reason(status, worst),
            message=_message(worst),
            duration=round(
                (self._clock() - running.started).total_seconds() if gone else _total(running.reports), 6
            ),
            started=running.started.isoformat(timespec="milliseconds"),
            new_features=_every(Property.NEW_FEATURE, *running.reports),
            console=_console(worst) if gone else None,
            allure=_allure(running.reports) if gone else None,
        )


def _every(wanted: str, *reports: pytest.TestReport) -> list[str]:
    """Return the properties of one name, each value once."""
    properties = (item for report in reports for item in report.user_properties)
    return list(dict.fromkeys(str(value) for name, value in properties if name == wanted))


def _says_something(report: pytest.TestReport) -> bool:
    return report.when != "setup" or status_of(report) is not Status.PASS


def _last_line(text: str) -> str:
    return next((line.removeprefix("E ").strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _total(reports: Iterable[pytest.TestReport]) -> float:
    return sum(report.duration for report in reports)


def _message(report: pytest.TestReport) -> str:
    return facts(report).get(Property.MESSAGE) or ("" if report.passed else first_lines(str(report.longrepr)))


def _reason(status: Status, report: pytest.TestReport) -> Reason | None:
    """A skip carries its type if the test gave one; an expected failure is a known issue."""
    known = facts(report)
    if status is Status.SKIP:
        return Reason(
            known.get(Property.SKIP_KIND, "untyped"), known.get(Property.SKIP_TEXT) or _message(report)
        )
    if status in (Status.XFAIL, Status.XPASS):
        return Reason("known-issue", known.get(Property.MESSAGE, ""))
    return None


def _console(report: pytest.TestReport) -> str | None:
    return next((text for name, text in report.sections if name == "console"), None)


def _allure(reports: Sequence[pytest.TestReport]) -> dict[str, Any] | None:
    texts = (facts(report).get(Property.ALLURE) for report in reports)
    return next((found for text in texts if text and (found := _object(text)) is not None), None)


def _object(text: str) -> dict[str, Any] | None:
    """Return the object that a text in JSON is, if it is one."""
    try:
        found = loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
