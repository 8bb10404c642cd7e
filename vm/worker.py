# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the plugin that runs where the tests run: in the guest, or with --on-this-machine on the host."""

from __future__ import annotations

import os
import platform
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.contract.properties import Property
from vm.health import Cleanliness, KernelComplaint, UncleanGuestError, Watch

if TYPE_CHECKING:
    from vm.interactor import Channel


class Worker:
    """Marks every result with its kernel, reports the planned tests, and watches the kernel for complaints."""

    def __init__(self, kernel: str, accel: str) -> None:
        """Set the kernel and the accelerator of this worker."""
        self._kernel, self._accel = kernel, accel
        self.properties = [
            (Property.KERNEL, kernel),
            (Property.RELEASE, os.uname().release),
            (Property.ACCEL, accel),
        ]
        self._channel: Channel | None = None
        self._watch: Watch | None = None
        self._clean: Cleanliness | None = None
        self._unclean = ""
        self._bad = False

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Report the kernel, and start to watch it; in a VM, also watch what tests leave behind."""
        self._watch = Watch()
        self._channel = _channel(session.config)
        if self._channel:
            self._clean = Cleanliness()
            self._channel.tell("environment", facts=list(environment(dict(self.properties)).items()))
            return
        from vm import identity  # noqa: PLC0415  a guest pays for every import

        session.config.hook.pytest_kernel_identified(kernel=identity.running(self._kernel, self._accel))

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Tell the host which file is being collected, in case that ends the VM."""
        if self._channel and isinstance(collector, pytest.Module):
            self._channel.tell("collecting", name=collector.nodeid)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Add the kernel to the properties of every test."""
        for item in items:
            item.user_properties += self.properties

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the planned tests, and the behaviours that they verify."""
        tests = [item.nodeid for item in session.items]
        behaviours = [
            [str(value) for name, value in item.user_properties if name == Property.BEHAVIOUR]
            for item in session.items
        ]
        if self._channel:
            self._channel.tell("collected", tests=tests, behaviours=behaviours)
        else:
            planned = dict(zip(tests, behaviours, strict=True))
            session.config.hook.pytest_kernel_planned(kernel=self._kernel, tests=planned)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, None, None]:
        """Fail a test if the kernel complained meanwhile, or if it left the VM unclean, whatever its teardown did."""
        __tracebackhide__ = True
        wrong: list[Exception] = []
        try:
            yield
        except Exception as error:  # noqa: BLE001  raised again, together with other errors
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
        """Return the complaint in the kernel's log, if any."""
        __tracebackhide__ = True
        try:
            if self._watch:
                self._watch.check()
        except KernelComplaint as complaint:
            return complaint
        return None

    def _state_error(self, *, ends_module: bool) -> Exception | None:
        """Return the error if the VM is unclean, and remember it for the host."""
        __tracebackhide__ = True
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
        """Tell the host why pytest ends early."""
        if self._channel:
            self._channel.tell("internal-error", text=excinfo.exconly())

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_to_serializable(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> dict[str, Any] | None:
        """Convert a report to plain texts: the host accepts nothing else from a guest."""
        if self._channel is None:
            return None
        from vm.interactor import described  # noqa: PLC0415  where there is a channel, this is imported already

        return described(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the kernel's log to the report of a test that failed."""
        report = yield
        self._bad = report.failed or (self._bad and call.when != "setup")
        if self._bad and call.when == "teardown" and self._watch and self._watch.lines:
            report.user_properties.append((Property.KERNEL_LOG, "\n".join(self._watch.lines)))
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, None, None]:
        """Tell the host, after the other events of a test, that no other test may be run in this VM."""
        yield
        if self._channel and self._unclean:
            self._channel.tell("unclean", text=self._unclean)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Stop watching the kernel."""
        if self._watch:
            self._watch.close()


def _channel(config: pytest.Config) -> Channel | None:
    """Return the channel to the host; None outside of a VM."""
    if not hasattr(config, "workerinput"):
        return None
    from vm.interactor import CHANNEL  # noqa: PLC0415  it imports pytest-xdist, which only a guest needs

    return config.stash.get(CHANNEL, None)


def environment(properties: dict[str, str]) -> dict[str, str]:
    """Return the facts about this machine for readers of its results."""
    uname = os.uname()
    return {
        **properties,
        "version": uname.version,
        "architecture": uname.machine,
        "command line": Path("/proc/cmdline").read_text().strip(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
    }
