# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of the run that goes on: written before anything else, kept up to date, and closed last."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpers.contract import manifest
from helpers.contract.manifest import Balance, End, Kernel, Machine, Manifest, Suite
from helpers.contract.results import Result
from reports.run import replace_file

_ROOT = Path(__file__).parents[1]


def suite(checkout: Path = _ROOT) -> Suite:
    """Return which commit a checkout is at, as far as git tells."""

    def git(*words: str) -> str:
        # The checkout may be somebody else's than root's, who runs this.
        command = ("git", "-c", "safe.directory=*", "-C", str(checkout), *words)
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return Suite(git("rev-parse", "HEAD"), changed=bool(git("status", "--porcelain")))
    except (OSError, subprocess.CalledProcessError):
        return Suite()


class Plan:
    """pytest's plugin that hears which kernels and tests are planned, and writes it down."""

    def __init__(self, directory: Path, complain: Callable[[str], None]) -> None:
        """Write down that a run begins; `complain` gets a line when writing fails for the first time."""
        self.manifest = Manifest(
            suite=suite(),
            machine=Machine(os.uname().machine, os.cpu_count() or 0),
            started=_now(),
        )
        self._directory = directory
        self._complain: Callable[[str], None] | None = complain
        self._write()

    @property
    def begun(self) -> bool:
        """Whether it is known which tests are to run on a kernel."""
        return any(tests for tests in self.manifest.planned.values())

    @pytest.hookimpl(optionalhook=True)
    def pytest_kernel_identified(self, kernel: Kernel) -> None:
        """Write down a kernel."""
        machine = replace(self.manifest.machine, kind=kernel.accel or self.manifest.machine.kind)
        self._set(replace(self.manifest.with_kernel(kernel), machine=machine))

    @pytest.hookimpl(optionalhook=True)
    def pytest_kernel_planned(self, kernel: str, tests: Mapping[str, Sequence[str]]) -> None:
        """Write down its tests."""
        self._set(self.manifest.with_tests(kernel, tests))

    def held_against(self, kernel: str, baseline: str) -> None:
        """Write down the baseline of a kernel, once a test has named it."""
        known = self.manifest.kernels.get(kernel)
        if known and known.baseline != baseline:
            self._set(self.manifest.with_kernel(replace(known, baseline=baseline)))

    def close(self, how: End) -> None:
        """Write down how the run ended."""
        self._set(replace(self.manifest, how=how, ended=_now()))

    def balance(self, results: Sequence[Result]) -> Balance:
        """Return what is missing."""
        return manifest.balance(self.manifest, results)

    def completed(self, results: Sequence[Result]) -> list[Result]:
        """Return the results, and one for each test that was planned and has none."""
        return manifest.completed(self.manifest, results)

    def move(self, directory: Path) -> None:
        """Write it to another directory from now on."""
        self._directory = directory
        self._write()

    def forget(self) -> None:
        """Leave no trace."""
        (self._directory / manifest.FILE).unlink(missing_ok=True)

    def _set(self, made: Manifest) -> None:
        if made != self.manifest:
            self.manifest = made
            self._write()

    def _write(self) -> None:
        try:
            replace_file(self._directory / manifest.FILE, manifest.dump(self.manifest))
        except OSError as error:
            if self._complain:
                self._complain(f"cannot write {self._directory / manifest.FILE}: {error.strerror}")
            self._complain = None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def ending(session: pytest.Session, *, interrupted: bool) -> End:
    """Return how a session of pytest ended."""
    if session.shouldfail or session.shouldstop or session.exitstatus == pytest.ExitCode.INTERNAL_ERROR:
        return End.ABORTED
    return End.INTERRUPTED if interrupted else End.COMPLETE
