# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run's manifest adds to its results: what did not run, and what its kernels are."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from helpers.contract import manifest
from helpers.contract.results import Result


def completed(run: Path, results: Sequence[Result]) -> list[Result]:
    """Return the results of a run, with one for each test that was planned and did not run."""
    plan = manifest.read(run)
    return manifest.completed(plan, results) if plan else list(results)


def headline(run: Path, results: Iterable[Result]) -> str:
    """Say whether everything that was planned ran: `complete`, or `incomplete: 13 of 1954 tests ran`."""
    plan = manifest.read(run)
    return manifest.balance(plan, results).headline if plan else manifest.NO_MANIFEST


def identities(run: Path) -> dict[str, manifest.Kernel]:
    """Return what is known of the kernels of a run, by their names."""
    plan = manifest.read(run)
    return plan.kernels if plan else {}
