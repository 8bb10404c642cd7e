# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin's part that runs where the tests run: in the guest, or on a machine that was given up to them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.contract.properties import Property
from vm.allure_files import write_into
from vm.health import Cleanliness, KernelComplaint, UncleanGuestError, Watch
from vm.outbox import Outbox

if TYPE_CHECKING:
    from vm.interactor import Channel


class Worker:
    """Marks every result with the kernel it comes from, watches the kernel's health, sends files to the host."""

    def __init__(self, kernel: str, accel: str) -> None:
        """Name the kernel and the accelerator of this worker."""
        self.properties = [
            (Property.KERNEL, kernel),
            (Property.RELEASE, os.uname().release),
            (Property.ACCEL, accel),
        ]
        self._channel: Channel | None = None
        self._outbox: Outbox | None = None
        self._watch: Watch | None = None
        self._clean: Cleanliness | None = None
        self._unclean = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the way to the host, along which Allure's files go; on this machine they need none."""
        if (channel := _channel(config)) is None:
            results = Path(config.getoption("results") or "reports/out")
            config.option.allure_report_dir = str(results / self.properties[0][1] / "allure-results")
            return
        self._channel = channel
        self._outbox = Outbox(channel)
        self._outbox.put(
            "environment.json", (json.dumps(environment(dict(self.properties)), indent=1) + "\n").encode()
        )
        write_into(self._outbox, config)

    def pytest_sessionstart(self) -> None:
        """Begin to watch the kernel, and in a VM what tests leave behind."""
        self._watch = Watch()
        if self._channel:
            self._clean = Cleanliness()
        if self._outbox:
            self._outbox.send()

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Tell the host which file may be the one that ends the VM."""
        if self._channel and isinstance(collector, pytest.Module):
            self._channel.tell("collecting", name=collector.nodeid)

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
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, None, None]:
        """Fail a test during which the kernel complained, or which left the VM unclean, whatever its teardown did."""
        __tracebackhide__ = True
        wrong: list[Exception] = []
        try:
            yield
        except Exception as error:  # noqa: BLE001  it is raised again, with what else there is to say
            wrong.append(error)
        wrong += filter(
            None,
            [self._log_error(), self._state_error(ends_module=not nextitem or nextitem.path != item.path)],
        )
        if len(wrong) > 1:
            raise ExceptionGroup("more than one thing went wrong", wrong)
        if wrong:
            raise wrong[0]

    def _log_error(self) -> Exception | None:
        """Return what the kernel's log has to complain of."""
        try:
            if self._watch:
                self._watch.check()
        except KernelComplaint as complaint:
            return complaint
        return None

    def _state_error(self, *, ends_module: bool) -> Exception | None:
        """Return what is wrong with the VM, and remember it for the host."""
        try:
            if self._clean:
                self._clean.check()
                if ends_module:
                    self._clean.check_processes()
        except UncleanGuestError as unclean:
            self._unclean = unclean.state
            return unclean
        return None

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell the host why pytest ends before its time."""
        if self._channel:
            self._channel.tell("internal-error", text=excinfo.exconly())

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_to_serializable(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> dict[str, Any] | None:
        """Describe a report to the host, which takes nothing but plain texts from a guest."""
        if self._channel is None:
            return None
        from vm.interactor import described  # noqa: PLC0415  where there is a channel, this is imported already

        return described(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, None, None]:
        """Bring out the files of the test that has ended, once allure-pytest, a wrapper itself, has written them."""
        yield
        if self._outbox:
            self._outbox.send()
        if self._channel and self._unclean:
            self._channel.tell("unclean", text=self._unclean)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Bring out the rest."""
        if self._outbox:
            self._outbox.send()
        if self._watch:
            self._watch.close()


def _channel(config: pytest.Config) -> Channel | None:
    """The way to the host, in a VM of ours."""
    if not hasattr(config, "workerinput"):
        return None
    from vm.interactor import CHANNEL  # noqa: PLC0415  it reaches into pytest-xdist, which only a guest needs

    return config.stash.get(CHANNEL, None)


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
