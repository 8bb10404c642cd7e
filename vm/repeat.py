# SPDX-License-Identifier: GPL-2.0-or-later
"""Repeats a run on a busy machine, and compares the verdicts."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vm.command import pytest_command
from vm.progress import waiting
from vm.words import count

Verdicts = Mapping[str, str]
"""Test -> status in one run."""


def run(kernel: str, *, runs: int, busy: int, selection: Sequence[str]) -> int:
    """Run `selection` of the suites `runs` times while `busy` processes use the CPU; return 1 if the verdicts differ.

    If they differ the results of the runs are kept, and the last line says where.
    """
    kept = Path(tempfile.mkdtemp(prefix="fapitest-repeat-"))
    found: list[Verdicts] = []
    with _kept_until_done(kept), _load(busy):
        for number in range(1, runs + 1):
            begin = time.monotonic()
            with waiting(f"{kernel}: run {number} of {runs}"):
                verdicts = _verdicts(kernel, selection, kept / str(number))
            found.append(verdicts)
            counts = ", ".join(
                f"{count} {status}" for status, count in sorted(Counter(verdicts.values()).items())
            )
            print(
                f"{kernel}  run {number} of {runs}: {counts} ({time.monotonic() - begin:.0f} s)", flush=True
            )
    differing = differences(found)
    for test, statuses in differing.items():
        print(f"{kernel}  {test}: {', '.join(f'{count} x {status}' for status, count in statuses.items())}")
    if differing or not all(found):
        print(f"{kernel}: the runs differ; their results: {kept}")
        return 1
    shutil.rmtree(kept)
    print(f"{kernel}: {count(runs, 'run')}, {count(len(found[0]), 'test')}, the same verdicts")
    return 0


@contextlib.contextmanager
def _kept_until_done(directory: Path) -> Iterator[None]:
    """If the body ends with an exception, print where the results of the runs so far are."""
    try:
        yield
    except BaseException:
        print(f"the results so far: {directory}", file=sys.stderr)
        raise


def differences(runs: Iterable[Verdicts]) -> dict[str, Counter[str]]:
    """Return the tests whose status differs between runs, with the number of runs for each status."""
    runs = list(runs)
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for test in dict.fromkeys(test for verdicts in runs for test in verdicts):
        seen[test].update(verdicts.get(test, "not run") for verdicts in runs)
    return {test: statuses for test, statuses in seen.items() if len(statuses) > 1}


@contextlib.contextmanager
def _load(processes: int) -> Iterator[None]:
    """Keep cores busy."""
    command = [sys.executable, "-c", "while True: pass"]
    with contextlib.ExitStack() as started:
        for _ in range(processes):
            process = subprocess.Popen(command)
            started.callback(process.wait)
            started.callback(process.kill)
        yield


def _verdicts(kernel: str, selection: Sequence[str], results: Path) -> Verdicts:
    command = pytest_command("--kernel", kernel, "--results", str(results), "-q", *selection)
    results.parent.mkdir(exist_ok=True)
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    stored = results / "results.jsonl"
    if not stored.exists():
        print(output.stdout + output.stderr, file=sys.stderr)
        return {}
    records = map(json.loads, stored.read_text().splitlines())
    return {record["test"]: record["status"] for record in records if "test" in record}
