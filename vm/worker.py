# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin's part that runs where the tests run: in the guest, or on a machine that was given up to them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from vm import wire
from vm.allure_files import write_into
from vm.health import Watch
from vm.outbox import Outbox, guest_port


class Worker:
    """Marks every result with the kernel it comes from, watches the kernel's health, sends files to the host."""

    def __init__(self, kernel: str, accel: str) -> None:
        """Name the kernel and the accelerator of this worker."""
        self.properties = [("kernel", kernel), ("release", os.uname().release), ("accel", accel)]
        self._outbox: Outbox | None = None
        self._watch: Watch | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the way to the host, along which Allure's files go; on this machine they need none."""
        if (port := guest_port("files")) is None:
            results = Path(config.getoption("results") or "reports/out")
            config.option.allure_report_dir = str(results / self.properties[0][1] / "allure-results")
            return
        self._outbox = Outbox(port)
        self._outbox.put(
            "environment.json", (json.dumps(environment(dict(self.properties)), indent=1) + "\n").encode()
        )
        write_into(self._outbox, config)
        config.option.basetemp = None

    def pytest_sessionstart(self) -> None:
        """Begin to watch the kernel."""
        self._watch = Watch()
        if self._outbox:
            self._outbox.send()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the kernel into the properties of every test, and for Allure into a label."""
        label = pytest.mark.allure_label(self.properties[0][1], label_type="env")
        for item in items:
            item.user_properties += self.properties
            item.add_marker(label)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Make the kernel a parameter for Allure: the same test on two kernels is two results, not a retry."""
        if item.config.pluginmanager.hasplugin("allure_listener"):
            import allure  # noqa: PLC0415  only where Allure is asked for

            allure.dynamic.parameter("kernel", self.properties[0][1])
        yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        """Fail a test during which the kernel complained."""
        __tracebackhide__ = True
        yield
        if self._watch:
            self._watch.check()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any], dict[str, Any]]:
        """Make a report short for its way to the host."""
        return wire.packed((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, None, None]:
        """Bring out the files of the test that has ended, once allure-pytest, a wrapper itself, has written them."""
        yield
        if self._outbox:
            self._outbox.send()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Bring out the rest."""
        if self._outbox:
            self._outbox.send()
        if self._watch:
            self._watch.close()


def environment(properties: dict[str, str]) -> dict[str, str]:
    """Return the facts about this machine that a reader of its results may need."""
    uname = os.uname()
    return {
        **properties,
        "version": uname.version,
        "architecture": uname.machine,
        "command line": Path("/proc/cmdline").read_text().strip(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
    }
