# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin for the tests of this room: the other rooms' part of the contract, with processes as kernels.

The environment variable KERNEL names a process's kernel, also a worker's: `--tx popen//env:KERNEL=NAME`.
OUT takes the place of reports/out.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from helpers.contract.manifest import Kernel
from reports import run
from vm import hooks

if "OUT" in os.environ:
    run.OUT = Path(os.environ["OUT"])


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kernel", action="append")
    parser.addoption("--on-this-machine", action="store_true")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "behaviour(*ids): what the test verifies")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kernel = os.environ.get("KERNEL")
    for item in items if kernel else []:
        item.user_properties += [("kernel", kernel), ("release", f"{kernel}.0-test"), ("accel", "none")]
        item.user_properties += [
            ("behaviour", id_) for mark in item.iter_markers("behaviour") for id_ in mark.args
        ]


def pytest_sessionstart(session: pytest.Session) -> None:
    names = [os.environ.get("KERNEL")] if session.config.getoption("on_this_machine") else []
    for name in names or session.config.getoption("kernel") or []:
        session.config.hook.pytest_kernel_identified(
            kernel=Kernel(name or "", release=f"{name}.0-test", accel="none")
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.getoption("on_this_machine"):
        planned = dict.fromkeys([item.nodeid for item in session.items], ())
        session.config.hook.pytest_kernel_planned(kernel=os.environ["KERNEL"], tests=planned)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    kernel = node.gateway.spec.env["KERNEL"]
    node.config.hook.pytest_kernel_planned(kernel=kernel, tests=dict.fromkeys(ids, ()))


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: pytest.TestReport) -> None:
    spec = report.node.gateway.spec
    report.longrepr = "Kernel panic - not syncing: Fatal exception"
    report.user_properties += [("kernel", spec.env["KERNEL"]), ("lost", "panic")]
    report.sections.append(
        ("console", "BUG: unable to handle page fault\n\x1b[31mKernel panic - not syncing")
    )
