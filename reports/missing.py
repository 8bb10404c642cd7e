# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run's manifest adds to its results: what did not run, and what its kernels are."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from helpers.contract import manifest
from helpers.contract.manifest import Balance
from helpers.contract.results import Result, read
from reports.run import RESULTS
from reports.text import one_line


def completed(run: Path, results: Sequence[Result]) -> list[Result]:
    """Return the results of a run, with one for each test that was planned and did not run."""
    plan, _ = manifest.read(run)
    return manifest.completed(plan, results) if plan else list(results)


def balance(run: Path, results: Iterable[Result]) -> Balance:
    """Return whether everything that was planned ran, and all of it can be read."""
    return manifest.read(run).balance(results, gaps(_left_out(run)))


def gaps(left_out: Iterable[str]) -> list[str]:
    """Return what to say of lines that could not be read: a line, however many they are."""
    first, *more = [*left_out, ""]
    return [f"{RESULTS}: {first}{', and more' if len(more) > 1 else ''}"] if first else []


def _left_out(run: Path) -> tuple[str, ...]:
    try:
        status = (run / RESULTS).stat()
    except OSError:
        return ()
    return _read(run / RESULTS, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, *_changes: int) -> tuple[str, ...]:
    """Read once for all formats."""
    return tuple(read(path).left_out)


def reservations(run: Path, results: Iterable[Result]) -> list[str]:
    """Return what one must know before one believes the results, in printable lines."""
    return [one_line(line) for line in balance(run, results).reservations]


def headline(run: Path, results: Iterable[Result]) -> str:
    """Say it in one: `complete`, or `incomplete: 13 of 1954 tests ran`."""
    return one_line(balance(run, results).headline)


def identities(run: Path) -> dict[str, manifest.Kernel]:
    """Return what is known of the kernels of a run, by their names."""
    plan, _ = manifest.read(run)
    return plan.kernels if plan else {}


def tests(run: Path) -> str:
    """Say which tests ran: `commit 0123456789ab, changed`; empty if nobody knows."""
    plan, _ = manifest.read(run)
    return manifest.said(plan.suites) if plan else ""
