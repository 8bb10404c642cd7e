# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin for the tests of this room: the other rooms' part of the contract, with processes as kernels.

The environment variable KERNEL names a process's kernel, also a worker's: `--tx popen//env:KERNEL=NAME`.
With ALLURE each kernel writes Allure's files, OUT takes the place of reports/out.
"""

import os
from pathlib import Path

import allure
import pytest

from reports import run

if "OUT" in os.environ:
    run.OUT = Path(os.environ["OUT"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kernel", action="append")
    parser.addoption("--on-this-machine", action="store_true")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "behaviour(*ids): what the test verifies")
    if (kernel := os.environ.get("KERNEL")) and "ALLURE" in os.environ:
        config.option.allure_report_dir = str(Path(config.getoption("results"), kernel, "allure-results"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kernel = os.environ.get("KERNEL")
    for item in items if kernel else []:
        item.user_properties += [("kernel", kernel), ("release", f"{kernel}.0-test"), ("accel", "none")]
        item.user_properties += [
            ("behaviour", id_) for mark in item.iter_markers("behaviour") for id_ in mark.args
        ]
        item.add_marker(pytest.mark.allure_label(kernel, label_type="env"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.getoption("allure_report_dir", None):
        allure.dynamic.parameter("kernel", os.environ["KERNEL"])


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: pytest.TestReport) -> None:
    spec = report.node.gateway.spec
    report.longrepr = "Kernel panic - not syncing: Fatal exception"
    report.user_properties += [("kernel", spec.env["KERNEL"]), ("lost", "panic")]
    report.sections.append(
        ("console", "BUG: unable to handle page fault\n\x1b[31mKernel panic - not syncing")
    )
