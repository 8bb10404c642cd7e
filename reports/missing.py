# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run's manifest adds to its results: what did not run, and what its kernels are."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from helpers.contract import manifest
from helpers.contract.manifest import Balance
from helpers.contract.results import Result


def completed(run: Path, results: Sequence[Result]) -> list[Result]:
    """Return the results of a run, with one for each test that was planned and did not run."""
    plan, _ = manifest.read(run)
    return manifest.completed(plan, results) if plan else list(results)


def balance(run: Path, results: Iterable[Result]) -> Balance:
    """Return whether everything that was planned ran."""
    return manifest.read(run).balance(results)


def headline(run: Path, results: Iterable[Result]) -> str:
    """Say it: `complete`, or `incomplete: 13 of 1954 tests ran`."""
    return balance(run, results).headline


def identities(run: Path) -> dict[str, manifest.Kernel]:
    """Return what is known of the kernels of a run, by their names."""
    plan, _ = manifest.read(run)
    return plan.kernels if plan else {}
