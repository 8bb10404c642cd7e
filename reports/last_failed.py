# SPDX-License-Identifier: GPL-2.0-or-later
"""`--lf` on kernels: the tests that ended badly in the last run, on whichever kernel, are run again."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.contract.results import NO_BOOT, Result, read
from reports import run


@dataclass(frozen=True)
class LastFailed:
    """What `--lf` has found: node ids, or none if all tests are to be run; and how to say it."""

    tests: frozenset[str]
    sentence: str

    def select(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave only the tests that failed, or all if none did."""
        if not self.tests:
            return
        others = [item for item in items if not self.tests & {item.nodeid, _file(item.nodeid)}]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in others]


def last_failed(results: str | None) -> LastFailed:
    """Return what failed in the last run: the newest beside the directory `results`, or else that of `latest`."""
    directory = _last_run(Path(results).absolute().parent if results else None)
    if directory is None:
        return LastFailed(frozenset(), "no earlier run is known: all tests are run")
    where = f"the last run ({directory})"
    tests = frozenset(filter(None, map(_bad, read(directory / run.RESULTS).results)))
    if not tests:
        return LastFailed(tests, f"no test failed in {where}: all tests are run")
    count = "1 test that" if len(tests) == 1 else f"{len(tests)} tests that"
    return LastFailed(tests, f"only the {count} failed in {where}")


def _last_run(beside: Path | None) -> Path | None:
    found = run.runs(beside) if beside else []
    if found:
        return max(found, key=lambda directory: (directory / run.RESULTS).stat().st_mtime)
    try:
        return run.find(run.LATEST, run.OUT)
    except run.NoSuchRunError:
        return None


def _bad(result: Result) -> str | None:
    return result.test if result.words.bad and not result.not_run and result.test != NO_BOOT else None


def _file(test: str) -> str:
    """Return the file of a test: that is what a result is called when the file could not be collected."""
    return test.partition("::")[0]
