# SPDX-License-Identifier: GPL-2.0-or-later
"""One pytest session over many kernels: takes the events of the places, one after the other, and reports them.

All calls of pytest are made here; the threads of the places never call it. The loop only waits for events, so that no
VM waits for another.
"""

from __future__ import annotations

import contextlib
import json
import queue
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from helpers.contract import manifest
from helpers.contract.properties import Property
from helpers.contract.results import HARNESS, NO_BOOT
from helpers.contract.status import Status
from vm import hooks, identity, protocol
from vm.bootimage import Kernel, image_release
from vm.conversation import Changed, Said
from vm.hardware import Hardware
from vm.life import Ending, Life, State
from vm.machine import Machine
from vm.place import Free, GivenUp, Lost, Place, Vm
from vm.scheduler import Scheduler

if TYPE_CHECKING:
    from vm.remote.hosts import Host
    from vm.remote.machine import RemoteMachine

OK, FAILED, INTERRUPTED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED

CRASH = "???"
"""The phase in the report of a test whose VM was lost, as in pytest-xdist."""

_STATUS = {Ending.PANIC: Status.PANIC, Ending.OOPS: Status.PANIC, Ending.HANG: Status.HANG}
"""How a VM ended -> the status of the test that it was running; for any other end, ``lost``."""

_WHEN = {
    State.BOOTING: "before it was ready for tests",
    State.READY: "before pytest had begun in it",
    State.CONNECTED: "before it had collected its tests",
    State.COLLECTED: "before it ran tests",
    State.RUNNING: "while this test ran",
}

_SHOWN = {
    State.BOOTING: hooks.State.BOOTING,
    State.READY: hooks.State.COLLECTING,
    State.RUNNING: hooks.State.RUNNING,
    State.ENDED: hooks.State.ENDED,
}
"""The states of a VM that are shown to users."""

ENVIRONMENT = "environment.json"
"""The file in a kernel's directory with the facts that a guest reports about itself."""

LAST_WORDS = 20.0
"""Seconds for which the end of the session waits for its VMs to end."""

_LONGEST = 4_000
"""Maximum characters shown of a guest's message; the run's files have all of it."""


@dataclass
class Plan:
    """The parameters of a session: the kernels, the number of VMs at once, and the timeouts."""

    kernels: list[Kernel]
    jobs: int
    """Number of VMs at once on this machine."""
    accel: str
    results: Path
    silence: float
    """Timeout in seconds after which a VM without events counts as hung."""
    losses: int
    """How many VMs of one kernel may be lost before its remaining tests are given up."""
    absent: dict[str, str] = field(default_factory=dict)
    """The kernels that could not be fetched -> the reason."""
    hardware: Hardware = Hardware()  # noqa: RUF009  it is immutable
    """The machine of each VM."""
    hosts: list[Host] = field(default_factory=list)
    """The other machines that run VMs."""
    releases: dict[str, str] = field(default_factory=dict)
    """Kernel -> its release, read at the start, when its image surely exists."""

    @property
    def where(self) -> str:
        """Where VMs run, as text for users."""
        return ", ".join([*([self.accel] if self.jobs else []), *(f"on {host.name}" for host in self.hosts)])

    def __post_init__(self) -> None:
        """Read the releases."""
        self.releases |= {kernel.name: image_release(kernel.image) for kernel in self.kernels}


class KernelSession:
    """The pytest plugin in the process that controls the VMs."""

    def __init__(self, config: pytest.Config, plan: Plan) -> None:
        """Start nothing yet."""
        self.config = config
        self.plan = plan
        self.not_booted: list[str] = []
        self._kernels = {kernel.name: kernel for kernel in plan.kernels}
        self._scheduler = Scheduler(self._kernels, losses=plan.losses)
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._count: Counter[str] = Counter()
        self._places: list[Place] = []
        self._free = 0
        self._failed_machines: set[str] = set()
        self._not_collected: set[tuple[str, str]] = set()
        self._orders: dict[str, dict[str, Any]] = {}

    # --- pytest's hooks -------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Start the places; their first VMs boot concurrently."""
        self._session = session
        for name, kernel in self._kernels.items():
            self.config.hook.pytest_kernel_identified(kernel=identity.of(kernel, self.plan.accel))
            self._tell(name, 0, hooks.State.WAITING)
            self._orders[name] = self._order(name)
        for name, reason in self.plan.absent.items():
            self.config.hook.pytest_kernel_identified(kernel=manifest.Kernel(name, path=name))
            self.plan.releases[name] = ""
            self.not_booted.append(name)
            self._add(NO_BOOT, name, Status.LOST, reason)
        for _ in range(self.plan.jobs):
            self._open(self._machine)
        for host in self.plan.hosts:
            for _ in range(host.places):
                self._open(partial(self._machine_on, host), where=host.name, prepare=host.prepare)

    def _open(self, machine: Callable[[str], Vm], **where: Any) -> None:
        place = Place(
            self._events, self._scheduler, machine, self.plan.silence, self._orders.__getitem__, **where
        )
        self._places.append(place)
        place.start()

    @pytest.hookimpl
    def pytest_collection(self) -> bool:
        """Collect nothing: the guests collect."""
        return True

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Report events until every place has ended."""
        while self._free < len(self._places):
            self._report(self._events.get())
            if session.shouldfail or session.shouldstop:
                self._stop()
        self._report_abandoned()
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End all VMs, after Ctrl-C too."""
        self._stop()
        for place in self._places:
            place.join(LAST_WORDS)
        for host in self.plan.hosts:
            host.close()
        # Each kernel that did not boot counts as a failure; failed tests take precedence for the exit code.
        nothing_else = session.testsfailed <= len(self.not_booted)
        if self.not_booted and nothing_else and session.exitstatus in (OK, FAILED):
            session.exitstatus = INTERRUPTED

    def _order(self, name: str) -> dict[str, Any]:
        """Return the order for the guests of a kernel, with the additions of other plugins."""
        node = SimpleNamespace(
            config=self.config, workerinput={"kernel": name, "accel": self.plan.accel}, gateway=None
        )
        self.config.hook.pytest_configure_node(node=node)
        arguments = [str(argument) for argument in self.config.invocation_params.args]
        return {"arguments": arguments, "workerinput": node.workerinput}

    def _stop(self) -> None:
        self._scheduler.stop()
        for place in self._places:
            place.stop()

    # --- requests of places ---------------------------------------------------------------------------------------

    def _machine(self, name: str) -> Machine:
        self._count[name] += 1
        directory = self.plan.results / name
        kernel = self._kernels[name]
        return Machine(
            kernel,
            accel=self.plan.accel,
            directory=directory,
            number=self._count[name],
            hardware=self.plan.hardware,
        )

    def _machine_on(self, host: Host, name: str) -> RemoteMachine:
        self._count[name] += 1
        return host.machine(self._kernels[name], self.plan.results / name, self._count[name])

    # --- events of places -----------------------------------------------------------------------------------------

    def _report(self, told: object) -> None:
        """Report one event; an error with a guest's event fails that guest's test and never ends the session."""
        match told:
            case Free(reason):
                self._free += 1
                self._freed(reason)
            case Changed(life, state, detail):
                if state in _SHOWN:
                    self._tell(life.kernel, life.number, _SHOWN[state], detail)
            case Said(life, event, test):
                try:
                    self._said(life, event, test)
                except Exception as error:  # noqa: BLE001  a guest's event must not end the run
                    self._mishap(life, error, test)
            case Lost(life, _, test):
                try:
                    self._lost(told)
                except Exception as error:  # noqa: BLE001  the report includes texts of the guest
                    self._mishap(life, error, test)
            case GivenUp(kernel, tests, reason):
                for test in tests:
                    self._add(test, kernel, Status.NOT_RUN, f"not run: {reason}")

    def _freed(self, reason: str) -> None:
        if reason and reason not in self._failed_machines:
            self._failed_machines.add(reason)
            self._line(f"fapitest: going on without a machine: {reason}")
        if self.plan.hosts and self._scheduler.over():
            self._stop()  # places that are still being prepared are not needed any more

    def _report_abandoned(self) -> None:
        """Report tests that were not run because every machine has failed."""
        reason = "no machine is left for it"
        for kernel, tests in self._scheduler.abandoned().items():
            if self._scheduler.has_tests(kernel):
                self._report(GivenUp(kernel, tests, reason))
            else:
                self.not_booted.append(kernel)
                self._add(NO_BOOT, kernel, Status.LOST, reason)

    def _said(self, life: Life, event: protocol.Event, test: str) -> None:
        match event:
            case protocol.Phase():
                report = self._phase(life, test, event)
                self.config.hook.pytest_runtest_logreport(report=report)
            case protocol.Collected(tests, behaviours):
                self._session.testscollected = max(self._session.testscollected, len(tests))
                planned = dict(zip(tests, behaviours, strict=True))
                self.config.hook.pytest_kernel_planned(kernel=life.kernel, tests=planned)
                self.config.hook.pytest_xdist_node_collection_finished(node=None, ids=list(tests))
            case protocol.NotCollected(name, text, outcome) if (name, text) not in self._not_collected:
                self._not_collected.add((name, text))
                failed = pytest.CollectReport(name, outcome, text, None)  # type: ignore[arg-type]
                self.config.hook.pytest_collectreport(report=failed)
            case protocol.Environment(facts):
                self._write(life.kernel, dict(facts))
            case protocol.Warned(text, when, where):
                message = warnings.WarningMessage(text[:_LONGEST], UserWarning, life.kernel, 0)
                told = {"warning_message": message, "when": when, "nodeid": where, "location": None}
                self.config.hook.pytest_warning_recorded.call_historic(kwargs=told)

    def _phase(self, life: Life, test: str, event: protocol.Phase) -> pytest.TestReport:
        path, _, name = test.partition("::")
        line = event.place[1] if event.place else None
        longrepr: object = event.text or None
        if event.outcome == "skipped" and event.expected is None:
            longrepr = (*(event.place or (path, 0)), event.text)
        elif event.outcome == "passed":
            longrepr = None
        report = pytest.TestReport(
            test,
            (path, line, name.replace("::", ".")),
            {},
            event.outcome,  # type: ignore[arg-type]
            longrepr,  # type: ignore[arg-type]
            event.when,  # type: ignore[arg-type]
            event.sections,
            event.duration,
            user_properties=[
                *((key, value) for key, value in event.properties if key not in _OURS),
                *self._facts(life.kernel, life.accel),
            ],
        )
        if event.expected is not None:
            report.wasxfail = event.expected
        return report

    def _facts(self, kernel: str, accel: str = "") -> list[tuple[str, object]]:
        """Return the host's facts about a kernel, which override a guest's."""
        return [
            (Property.KERNEL, kernel),
            (Property.RELEASE, self.plan.releases[kernel]),
            (Property.ACCEL, accel or self.plan.accel),
        ]

    def _write(self, kernel: str, facts: dict[str, str]) -> None:
        """Write a guest's facts into its kernel's directory; on an error only the file is missing."""
        path = self.plan.results / kernel / ENVIRONMENT
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(facts, indent=1) + "\n")

    def _mishap(self, life: Life, error: Exception, test: str) -> None:
        """Report an error of this project while it handled a guest's event."""
        text = "".join(traceback.format_exception_only(error)).strip()
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"the harness failed on what the guest said: {text} ({where.filename}:{where.lineno})"
        with contextlib.suppress(Exception):
            self._add(test or HARNESS, life.kernel, Status.LOST, reason[:_LONGEST])

    def _lost(self, lost: Lost) -> None:
        kernel, when = lost.life.kernel, _WHEN[lost.stage]
        status = _STATUS.get(lost.ending, Status.LOST)
        self._tell(kernel, lost.life.number, hooks.State.LOST, lost.reason)
        if lost.test:
            self._add(lost.test, kernel, status, f"{lost.reason} ({when})", lost.console, lost.life.accel)
        elif not lost.again and not self._scheduler.has_tests(kernel):
            self.not_booted.append(kernel)
            self._add(NO_BOOT, kernel, status, f"{lost.reason} ({when})", lost.console)
        if lost.again and not self._session.shouldfail:
            self._line(
                f"{kernel}: going on in a fresh VM" + ("" if lost.test else f": {lost.reason} ({when})")
            )

    def _add(
        self, test: str, kernel: str, status: Status, reason: str, console: str = "", accel: str = ""
    ) -> None:
        """Report a test whose guest cannot."""
        report = pytest.TestReport(
            test,
            (test.partition("::")[0], None, test),
            {},
            "failed",
            reason,
            CRASH,  # type: ignore[arg-type]
            [("console", console)] if console else [],
            user_properties=[*self._facts(kernel, accel), (Property.LOST, status)],
        )
        self.config.hook.pytest_runtest_logreport(report=report)

    def _tell(self, kernel: str, number: int, state: hooks.State, detail: str = "") -> None:
        """Call the hook about the state of a kernel or of one of its VMs."""
        self.config.hook.pytest_kernel_state(kernel=kernel, vm=number, state=state, detail=detail)

    def _line(self, text: str) -> None:
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal and self.config.option.verbose >= 0:
            terminal.write_line(text)


_OURS = frozenset({Property.KERNEL, Property.RELEASE, Property.ACCEL, Property.LOST})
"""Properties that the host sets in a report, whatever the guest sends."""
