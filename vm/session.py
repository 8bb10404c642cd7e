# SPDX-License-Identifier: GPL-2.0-or-later
"""One pytest session over many kernels: each VM is a pytest-xdist worker, and a lost one is replaced.

pytest-xdist's own ``--dist each`` begins when every worker has collected and restarts without asking why a worker died;
here each kernel begins when its own VM is there, kernels wait for a free place, and the end of a VM is told apart.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import execnet
import pytest
from xdist.dsession import DSession
from xdist.scheduler import Scheduling
from xdist.workermanage import NodeManager, WorkerController

from vm import outbox
from vm.errors import BootError, VmError
from vm.kernels import Kernel, image_release
from vm.machine import Machine, load

AHEAD = 8
"""How many tests a worker holds: enough that it never waits, few enough that a run stops soon after ``-x``."""

WORTH_A_VM = 200
"""How many tests a kernel must have left for each of its VMs before a place that nobody else needs goes to one more."""


class KernelScheduling:
    """Gives every test to every kernel, from the moment that the kernel's own VM has collected them.

    The VMs of one kernel share its tests: each is given the next ones, and what a lost one leaves goes to the others or
    to its replacement. The methods are those of pytest-xdist's protocol of schedulers.
    """

    def __init__(self, *, more_to_come: Callable[[], bool]) -> None:
        """`more_to_come` tells whether kernels still wait for a place."""
        self._more_to_come = more_to_come
        self._collected: dict[WorkerController, Sequence[str]] = {}
        self._running: dict[WorkerController, list[int]] = {}
        self._reported: dict[WorkerController, str] = {}
        self._waiting: dict[str, list[str]] = {}

    @property
    def nodes(self) -> list[WorkerController]:
        """All workers that there are."""
        return list(self._running)

    @property
    def collection_is_completed(self) -> bool:
        """Whether a worker can be given tests."""
        return bool(self._collected)

    @property
    def has_pending(self) -> bool:
        """Whether there are tests to run, or to hear of."""
        return any(self._running.values()) or any(self._waiting.values())

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to run on any kernel."""
        collecting = set(self._running) - set(self._collected)
        return not (self._more_to_come() or collecting or self.has_pending)

    def waiting(self, kernel: str) -> int:
        """Return how many tests of a kernel no worker has been given."""
        return len(self._waiting.get(kernel, ()))

    def give_up(self, kernel: str) -> list[str]:
        """Forget the tests of a kernel that no worker has been given, and return them."""
        given_up, self._waiting[kernel] = self._waiting[kernel], []
        return given_up

    def add_node(self, node: WorkerController) -> None:
        """Take in a worker that is about to collect."""
        self._running[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take in what a worker has collected: the first of its kernel says which tests there are to run."""
        self._collected[node] = collection
        self._waiting.setdefault(kernel_of(node), list(collection))

    def has_collected(self, node: WorkerController) -> bool:
        """Whether a worker has told its tests."""
        return node in self._collected

    def schedule(self) -> None:
        """Give every worker its next tests."""
        for node in self._collected:
            self._send(node)

    def _send(self, node: WorkerController) -> None:
        if node.shutting_down:
            return
        waiting, running = self._waiting.get(kernel_of(node), []), self._running[node]
        batch, waiting[:] = waiting[: AHEAD - len(running)], waiting[AHEAD - len(running) :]
        if batch:
            positions = [self._collected[node].index(test) for test in batch]
            running += positions
            node.send_runtest_some(positions)
        if not waiting:
            node.shutdown()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:  # noqa: ARG002
        """Take note that a test is done."""
        self._running[node].remove(item_index)
        self._send(node)

    def mark_test_reported(self, node: WorkerController, test: str) -> None:
        """Take note that the last report of a test has come."""
        self._reported[node] = test

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a worker and return the test that it was running; what it had left waits again."""
        indices = self._running.pop(node)
        collected = self._collected.pop(node, [])
        # A VM may end between the last report of a test and the word that it is done with it.
        reported = self._reported.pop(node, None)
        left = [test for test in (collected[index] for index in indices) if test != reported]
        if not left:
            return None
        crashed, *left = left
        self._waiting[kernel_of(node)][:0] = left
        return crashed

    def mark_test_pending(self, item: str) -> None:
        """Refuse: a test that has cost a VM is never run again in the same session."""
        raise NotImplementedError(item)

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """Refuse: work is never taken from one kernel for another."""
        raise NotImplementedError(node, indices)


def kernel_of(node: WorkerController) -> str:
    """Return the name of the kernel that a worker runs on."""
    return str(node.workerinput["kernel"])


@dataclass
class Plan:
    """What a session is asked to do: the kernels, how many VMs at once, and the bounds of patience."""

    kernels: list[Kernel]
    jobs: int
    accel: str
    results: Path
    silence: float
    """Seconds without a sign of life after which a VM is taken for hung."""
    losses: int
    """How many VMs of one kernel may be lost before the tests that are left are given up."""


class KernelSession(DSession):
    """The controller's side of a session: starts VMs, hands out tests, reports and replaces what is lost."""

    def __init__(self, config: pytest.Config, plan: Plan) -> None:
        """Nothing is started yet."""
        super().__init__(config)
        self.plan = plan
        self._waiting = list(plan.kernels)
        self._machines: dict[WorkerController, Machine] = {}
        self._starting: list[Machine] = []
        self._helpers: dict[Machine, threading.Thread] = {}
        self._heard: dict[WorkerController, float] = {}
        self._count: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._stop_watching = threading.Event()
        self.not_booted: list[str] = []

    # --- pytest's hooks -------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Start the first VMs, as many at once as there are places."""
        self._session = session
        self.nodemanager = NodeManager(self.config, specs=[])
        self.sched = KernelScheduling(more_to_come=self._more_to_come)
        threading.Thread(target=self._watch, daemon=True, name="watchdog").start()
        self._fill()

    @pytest.hookimpl
    def pytest_xdist_make_scheduler(self) -> Scheduling:
        """Return the scheduler of this session."""
        assert self.sched is not None
        return self.sched

    @pytest.hookimpl
    def pytest_runtestloop(self) -> bool:
        """Run until every kernel is done; without a single VM there is nothing to do."""
        if not self._active_nodes:
            return True
        return bool(super().pytest_runtestloop())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End every VM, also after Ctrl-C, and bring in what the guests had sent."""
        self._stop_watching.set()
        for machine, boot in self._helpers.items():
            machine.kill("lost")
            if boot.is_alive():
                boot.join()
        for machine in [*self._starting, *self._helpers, *self._machines.values()]:
            self._end(machine)
        super().pytest_sessionfinish()
        if self.not_booted and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = pytest.ExitCode.INTERRUPTED

    @pytest.hookimpl
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker which kernel it runs on."""
        node.workerinput["kernel"] = node.gateway.spec.kernel
        node.workerinput["accel"] = self.plan.accel

    @pytest.hookimpl(tryfirst=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """Say how the VM of a lost test ended."""
        self._describe_loss(report, self._machines[report.node], "while this test ran")

    # --- VMs ------------------------------------------------------------------------------------------------------

    def _more_to_come(self) -> bool:
        """Whether kernels wait for a place, or have one and have not yet told the scheduler."""
        assert self.sched is not None
        return bool(self._waiting) or bool(self._active_nodes - set(self.sched.nodes))

    def _fill(self) -> None:
        """Give free places to the kernels that wait."""
        while self._waiting and len(self._active_nodes) < self.plan.jobs:
            places = self.plan.jobs - len(self._active_nodes)
            kernels, self._waiting = self._waiting[:places], self._waiting[places:]
            self._start(kernels)

    def _machine(self, kernel: Kernel) -> Machine:
        self._count[kernel.name] += 1
        directory, number = self.plan.results / kernel.name, self._count[kernel.name]
        return Machine(kernel, accel=self.plan.accel, directory=directory, number=number)

    def _start(self, kernels: list[Kernel]) -> None:
        """Boot VMs side by side and make a worker of each."""
        for kernel in kernels:
            self._starting.append(machine := self._machine(kernel))
            try:
                machine.start()
            except VmError as error:
                pytest.exit(f"fapitest: {error}", returncode=2)
        for machine in list(self._starting):
            try:
                machine.wait_ready(load=load(self.plan.jobs))
                self._connect(machine)
            except BootError:
                self._report_no_boot(machine, "before it was ready for tests")
            self._starting.remove(machine)

    def _help(self) -> None:
        """Give places that no kernel waits for to those with the most tests left."""
        while not self._waiting and len(self._active_nodes) + len(self._helpers) < self.plan.jobs:
            there = [*(self._machines[node] for node in self._active_nodes), *self._helpers]
            count = Counter(machine.kernel.name for machine in there)
            machine = max(there, key=lambda machine: self._share(machine.kernel.name, count), default=None)
            if machine is None or self._share(machine.kernel.name, count) < WORTH_A_VM:
                return
            if not self._start_helper(machine.kernel):
                return

    def _share(self, kernel: str, count: Counter[str]) -> float:
        assert isinstance(self.sched, KernelScheduling)
        return self.sched.waiting(kernel) / count[kernel]

    def _start_helper(self, kernel: Kernel) -> bool:
        """Boot one more VM of a kernel that is being tested, while the session goes on; return whether it started."""
        machine = self._machine(kernel)

        def boot() -> None:
            error = None
            try:
                machine.wait_ready(load=load(self.plan.jobs))
            except BootError as raised:
                error = raised
            self.queue.put(("helperbooted", {"machine": machine, "error": error}))

        thread = threading.Thread(target=boot, name=f"boot of {kernel.name}")
        self._helpers[machine] = thread
        try:
            machine.start()
        except VmError as error:
            del self._helpers[machine]
            self.report_line(f"{kernel.name}: going on without another VM: {error}")
            return False
        thread.start()
        return True

    def worker_helperbooted(self, machine: Machine, error: BootError | None) -> None:
        """A VM that is to help another one is ready, or has failed: its kernel has booted before and can do without."""
        assert isinstance(self.sched, KernelScheduling)
        self._helpers.pop(machine).join()
        if error is None and self.sched.waiting(machine.kernel.name) and not self.shuttingdown:
            self._connect(machine)
            return
        self._end(machine)
        if error is not None:
            self.report_line(f"{machine.kernel.name}: going on without another VM: {error}")

    def _connect(self, machine: Machine) -> None:
        assert self.nodemanager is not None
        name = machine.kernel.name
        label = name if machine.number == 1 else f"{name}#{machine.number}"
        spec = execnet.XSpec(
            f"{machine.gateway_spec()}//id={label}//kernel={name}//execmodel=main_thread_only"
        )
        node = self.nodemanager.setup_node(spec, self._put)
        self._machines[node] = machine
        self._heard[node] = time.monotonic()
        self._active_nodes.add(node)

    def _end(self, machine: Machine) -> None:
        machine.kill()
        outbox.unpack(machine.files, machine.directory)

    # --- signs of life --------------------------------------------------------------------------------------------

    def _put(self, event: tuple[str, dict[str, Any]]) -> None:
        """Queue an event of a worker, in the thread that received it, and remember when that was."""
        if isinstance(node := event[1].get("node"), WorkerController):
            self._heard[node] = time.monotonic()
        self.queue.put(event)

    def _watch(self) -> None:
        """End VMs that have gone silent; their workers then go the way of every lost worker."""
        while not self._stop_watching.wait(0.5):
            for node, machine in list(self._machines.items()):
                silent = time.monotonic() - self._heard.get(node, time.monotonic())
                if node in self._active_nodes and silent > self.plan.silence * max(
                    1.0, load(len(self._active_nodes))
                ):
                    machine.kill("hang")

    def worker_testreport(self, node: WorkerController, rep: pytest.TestReport) -> None:
        """A phase of a test is reported."""
        assert isinstance(self.sched, KernelScheduling)
        if rep.when == "teardown":
            self.sched.mark_test_reported(node, rep.nodeid)
        super().worker_testreport(node, rep)  # whoever shows a report may change its name

    # --- the ends of workers --------------------------------------------------------------------------------------

    def worker_workerfinished(self, node: WorkerController) -> None:
        """A worker is done with its tests: its place is free."""
        self._end(self._machines[node])
        super().worker_workerfinished(node)
        self._fill()
        self._help()

    def worker_collectionfinish(self, node: WorkerController, ids: Sequence[str]) -> None:
        """A worker has collected: now it is known how much there is to do."""
        super().worker_collectionfinish(node, ids)
        self._help()

    def worker_internal_error(self, node: WorkerController, formatted_error: str) -> None:
        """pytest itself failed in a worker: free its place, and let pytest report it."""
        self._end(self._machines[node])
        super().worker_internal_error(node, formatted_error)

    def worker_errordown(self, node: WorkerController, error: object | None) -> None:
        """A VM is lost: blame the test that it was running, and go on with the rest in a fresh one."""
        assert isinstance(self.sched, KernelScheduling)
        machine = self._machines[node]
        if not machine.wait(5.0):
            machine.kill("lost")
        self._end(machine)
        self.config.hook.pytest_testnodedown(node=node, error=error)
        collected = self.sched.has_collected(node)
        crashed = self.sched.remove_node(node) if node in self.sched.nodes else None
        self._active_nodes.remove(node)
        if crashed:
            self.handle_crashitem(crashed, node)
        elif not collected:
            self._report_no_boot(machine, "before it had collected its tests")
        if self.sched.waiting(machine.kernel.name) and not self.shuttingdown:
            self._replace(machine)
        self._fill()

    def _replace(self, machine: Machine) -> None:
        assert isinstance(self.sched, KernelScheduling)
        name = machine.kernel.name
        self._lost[name] += 1
        if self._lost[name] <= self.plan.losses:
            self.report_line(f"{name}: going on in a fresh VM")
            self._start([machine.kernel])
            return
        for test in self.sched.give_up(name):
            self._report(test, machine, f"after {self._lost[name]} lost VMs of {name}", given_up=True)

    # --- reports --------------------------------------------------------------------------------------------------

    def _report_no_boot(self, machine: Machine, when: str) -> None:
        self.not_booted.append(machine.kernel.name)
        self._report("vm::boot", machine, when)

    def _report(self, test: str, machine: Machine, when: str, *, given_up: bool = False) -> None:
        location = (test.partition("::")[0], None, test)
        report = pytest.TestReport(test, location, {}, "failed", when, "???")  # type: ignore[arg-type]
        self._describe_loss(report, machine, when, given_up=given_up)
        self.config.hook.pytest_runtest_logreport(report=report)

    def _describe_loss(
        self, report: pytest.TestReport, machine: Machine, when: str, *, given_up: bool = False
    ) -> None:
        end, reason = ("lost", "not run") if given_up else machine.ending()
        report.longrepr = f"{reason} ({when})"
        report.sections.append(("console", machine.console_end()))
        report.user_properties += [
            ("kernel", machine.kernel.name),
            ("release", image_release(machine.kernel.image)),
            ("accel", machine.accel),
            ("lost", end),
        ]
