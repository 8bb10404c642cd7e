# SPDX-License-Identifier: GPL-2.0-or-later
"""A stored run as it is compared with others and merged: kernel by kernel, what ran and what should have."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpers.contract.manifest import NO_MANIFEST, Account, Balance, Kernel, Manifest, Reading
from helpers.contract.manifest import read as read_manifest
from helpers.contract.results import NO_BOOT, Result, in_order, kernels, read
from helpers.contract.status import Status
from reports import run
from reports.missing import gaps


@dataclass(frozen=True)
class Column:
    """A kernel of a run: its identity, the tests that ran, and what became of its plan.

    `boot` is the result that stands for a kernel that did not come up; `account` is None where no manifest tells.
    """

    kernel: Kernel
    tests: dict[str, Result]
    boot: Result | None = None
    account: Account | None = None

    @property
    def name(self) -> str:
        """What the run calls it."""
        return self.kernel.name


@dataclass(frozen=True)
class Stored:
    """A run: its name, its results, and its manifest if it has one.

    `left_out` has a line for each thing in the results that could not be read, and `unknown` says why there is no
    manifest.
    """

    name: str
    results: Sequence[Result]
    manifest: Manifest | None = None
    left_out: tuple[str, ...] = ()
    unknown: str = NO_MANIFEST

    @cached_property
    def balance(self) -> Balance:
        """What is missing, as far as that is known."""
        return Reading(self.manifest, self.unknown).balance(self.results, gaps(self.left_out))

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The kernels of the run, older ones first, also those that were planned and have no result."""
        found = kernels(self.results)
        planned = self.manifest.kernels if self.manifest else {}
        accounts = self.balance.kernels
        return {
            name: _column(
                planned.get(name) or _told(name, found.get(name, [])), found.get(name, []), accounts.get(name)
            )
            for name in in_order({*found, *planned})
        }


def _column(kernel: Kernel, results: Sequence[Result], account: Account | None) -> Column:
    tests = {one.test: one for one in results if one.status is not Status.NOT_RUN}
    boot = tests.get(NO_BOOT)
    if boot and not any(
        "::" in test for test in tests if test != NO_BOOT
    ):  # files alone could not be collected
        return Column(kernel, {}, boot, account)
    return Column(kernel, tests, None, account)


def _told(name: str, results: Sequence[Result]) -> Kernel:
    """Return what results alone tell of a kernel."""
    release = next((one.release for one in results if one.release), "")
    accel = next((one.accel for one in results if one.accel), "")
    return Kernel(name, release=release, accel=accel)


def load(directory: Path) -> Stored:
    """Read a run's directory. Raises OSError if there are no results that can be read."""
    found = read(directory / run.RESULTS)
    plan, unknown = read_manifest(directory)
    return Stored(directory.name, found.results, plan, tuple(found.left_out), unknown)
