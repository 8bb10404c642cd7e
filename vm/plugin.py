# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room: ``--kernel NAME`` runs the tests inside a VM of that kernel."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vm import wire
from vm.worker import Worker

if TYPE_CHECKING:
    from vm.kernels import Kernel
    from vm.session import Plan

# What only the controller needs is imported where it is used: a guest pays for every import.

SUITES = "suites"
SILENCE = 120.0
"""Seconds of silence after which a VM is taken for hung: twice the time limit of a test."""

LOSSES = 10
"""How many VMs of one kernel a run may lose; with a worse kernel the tests that are left are given up."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this room."""
    group = parser.getgroup("vm", "virtual machines")
    group.addoption(
        "--kernel",
        action="append",
        default=[],
        metavar="NAME|PATH",
        help="run the tests in a VM of this kernel; a series (6.12), or the path of a bzImage, a .deb or .rpm package, "
        "or a built kernel tree; may be repeated",
    )
    group.addoption(
        "--matrix",
        action="store_true",
        help="every series that python -m vm list shows, unless --kernel names some",
    )
    group.addoption(
        "--modules",
        type=Path,
        metavar="DIR",
        help="the directory of the modules that belong to --kernel PATH",
    )
    group.addoption(
        "--vm-jobs",
        type=int,
        metavar="N",
        help="how many VMs run at once (default: one per core, as memory allows)",
    )
    group.addoption(
        "--accel",
        choices=["auto", "kvm", "tcg"],
        default="auto",
        help="how VMs are run (default: KVM if it works)",
    )
    group.addoption(
        "--vm-silence",
        type=float,
        default=SILENCE,
        metavar="SECONDS",
        help="end a VM that gives no sign of life for so long",
    )
    group.addoption(
        "--vm-losses",
        type=int,
        default=LOSSES,
        metavar="N",
        help="give up a kernel's tests once N of its VMs were lost",
    )
    group.addoption(
        "--on-this-machine",
        action="store_true",
        help="run the tests here, as root, on the running kernel, which they may crash: for machines to throw away",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let ``--matrix`` stand for the names of all kernels, before any other plugin looks at them."""
    if config.getoption("matrix") and not config.getoption("kernel"):
        from vm.catalogue import SERIES  # noqa: PLC0415

        config.option.kernel = list(SERIES)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Become a controller of VMs, a worker in one, or nothing at all."""
    if hasattr(config, "workerinput"):
        if "kernel" in config.workerinput:
            _become_worker(config, config.workerinput["kernel"], config.workerinput["accel"])
    elif config.getoption("kernel"):
        if not config.getoption("collectonly"):
            _check_options(config)
            _end_on_sigterm()
    elif config.getoption("on_this_machine"):
        if os.geteuid() != 0:
            raise pytest.UsageError(
                "--on-this-machine needs root: the suites ask the kernel for what only root gets"
            )
        _become_worker(config, "host", "none")


def _become_worker(config: pytest.Config, kernel: str, accel: str) -> None:
    worker = Worker(kernel, accel)
    config.pluginmanager.register(worker, "vm-worker")


def _check_options(config: pytest.Config) -> None:
    if config.getoption("usepdb"):
        raise pytest.UsageError("--pdb can not reach into a VM; try: python -m vm shell KERNEL")
    if config.getoption("on_this_machine"):
        raise pytest.UsageError("--kernel and --on-this-machine exclude each other")
    if (jobs := config.getoption("vm_jobs")) is not None and jobs < 1:
        raise pytest.UsageError(f"--vm-jobs {jobs}: at least one VM must run")


def _end_on_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does: end the VMs, keep the results, exit with 2."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt("SIGTERM")

    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Find the kernels and take over the session, before the VMs are started."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("kernel") or config.getoption("collectonly"):
        return
    from vm.errors import VmError  # noqa: PLC0415
    from vm.session import KernelSession  # noqa: PLC0415

    try:
        plan = _plan(config)
    except VmError as error:
        raise pytest.UsageError(str(error)) from error
    session_of_kernels = KernelSession(config, plan)
    config.pluginmanager.register(session_of_kernels, "dsession")
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal:
        terminal.showfspath = False
        for kernel in plan.kernels:
            terminal.write_line(
                f"{kernel.name}: {kernel.packages.get('version', '')} {kernel.origin}, {plan.accel}".replace(
                    ":  ", ": "
                )
            )
    session_of_kernels.pytest_sessionstart(session)


def _plan(config: pytest.Config) -> Plan:
    from vm import accel, tools  # noqa: PLC0415
    from vm.machine import default_jobs  # noqa: PLC0415
    from vm.progress import Downloads  # noqa: PLC0415
    from vm.session import Plan  # noqa: PLC0415

    tools.path("qemu-system-x86_64")
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), Downloads() as downloads:
        kernels = _kernels(config, downloads.show)
        chosen = accel.choose(config.getoption("accel"), kernels[0])
    return Plan(
        kernels=kernels,
        jobs=config.getoption("vm_jobs") or default_jobs(),
        accel=chosen,
        results=Path(config.getoption("results")),
        silence=config.getoption("vm_silence"),
        losses=config.getoption("vm_losses"),
    )


def _kernels(config: pytest.Config, show: object) -> list[Kernel]:
    from vm import kernels  # noqa: PLC0415

    names = dict.fromkeys(config.getoption("kernel"))
    found = [kernels.kernel(name, modules=config.getoption("modules"), progress=show) for name in names]  # type: ignore[arg-type]
    return list({kernel.name: kernel for kernel in found}.values())


@pytest.hookimpl(tryfirst=True)
def pytest_report_from_serializable(
    config: pytest.Config, data: dict[str, Any]
) -> pytest.TestReport | pytest.CollectReport | None:
    """Take a report of a worker apart, if it was packed; for all others pytest does what it always does."""
    if not wire.is_packed(data):
        return None
    report = config.hook.pytest_report_from_serializable(config=config, data=wire.unpacked(data))
    assert isinstance(report, pytest.TestReport | pytest.CollectReport)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the suites off a machine that nobody has given up to them."""
    if (
        hasattr(config, "workerinput")
        or config.getoption("on_this_machine")
        or config.getoption("collectonly")
    ):
        return
    if any(item.path.is_relative_to(config.rootpath / SUITES) for item in items):
        raise pytest.UsageError(
            "the suites may crash the kernel that they run on: name one to boot in a VM, with --kernel 6.12, "
            "or give this machine up to them with --on-this-machine"
        )
