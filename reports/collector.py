# SPDX-License-Identifier: GPL-2.0-or-later
"""From pytest's reports, one a phase, to one result a test and kernel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpers.contract.properties import Property
from helpers.contract.results import Result
from helpers.contract.status import Status, rank
from reports.phase import CRASH, NO_KERNEL, Phase, every, facts, kernel_of, phase_of
from reports.text import bounded, joined


def now() -> datetime:
    """Return the host's time: the clock of a guest that was restored from a saved state is slow."""
    return datetime.now(UTC)


@dataclass
class _Running:
    """A test on a kernel between its first report and its last."""

    started: datetime
    phases: list[Phase] = field(default_factory=list)


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
        self._running[key].phases.append(phase_of(report))
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
        ended = [
            key
            for key, running in self._running.items()
            if any(phase.says_something for phase in running.phases)
        ]
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
        if named := every(Property.BEHAVIOUR, report):
            self._behaviours.setdefault(test, named)

    def _machine(self, kernel: str) -> dict[str, Any]:
        return {"release": "", "accel": "", **self._machines.get(kernel, {})}

    def _finish(self, key: tuple[str, str]) -> Result:
        kernel, test = key
        running = self._running.pop(key)
        phases = running.phases
        # The worst phase decides; of several as bad the first.
        by_rank = sorted(phases, key=lambda phase: -rank(phase.status))
        worst, bad = by_rank[0], [phase for phase in by_rank if phase.bad]
        gone = worst.when == CRASH
        return Result(
            kernel=kernel,
            **self._machine(kernel),
            test=test,
            # of a test of many rules the phase that failed may name those alone that were broken
            behaviours=worst.behaviours or self._behaviours.get(test, []),
            status=worst.status,
            reason=worst.reason,
            message=joined(phase.message for phase in bad or [worst]),
            duration=round(
                (self._clock() - running.started).total_seconds()
                if gone
                else sum(phase.duration for phase in phases),
                6,
            ),
            started=running.started.isoformat(timespec="milliseconds"),
            new_features=list(dict.fromkeys(name for phase in phases for name in phase.new_features)),
            console=worst.console,
            allure=next((phase.allure for phase in reversed(phases) if phase.allure), None),
            **(_evidence(phases, bad) if bad else {}),
        )


def _evidence(phases: Sequence[Phase], bad: Sequence[Phase]) -> dict[str, str]:
    """Return what bad phases leave behind; pytest gives each phase the output of those before it too."""
    return {
        "where": next((phase.where for phase in bad if phase.where), ""),
        "traceback": bounded("\n\n".join(phase.traceback for phase in bad if phase.traceback)),
        "output": phases[-1].output or next((phase.output for phase in bad if phase.output), ""),
        "kernel_log": next((phase.kernel_log for phase in phases if phase.kernel_log), ""),
    }


def _last_line(text: str) -> str:
    return next((line.removeprefix("E ").strip() for line in reversed(text.splitlines()) if line.strip()), "")
