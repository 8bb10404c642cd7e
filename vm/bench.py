# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures how long each phase of a run takes. On a busy machine compare ratios, not seconds."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from vm import image
from vm.bootimage import Kernel
from vm.command import pytest_command
from vm.hardware import Hardware
from vm.machine import Machine
from vm.progress import waiting
from vm.scratch import directory
from vm.words import count

FAULT = image.PROJECT / "vm/tests/faults/panic.py"
SLOWEST = 10


def run(name: str, kernel: Kernel, accel: str, *, modules: Sequence[Path] = (), hardware: Hardware) -> int:
    """Measure the boot, a run of the suites and the replacement of a lost VM; print how long each phase took."""
    print(f"{kernel.name} ({kernel.origin}), {accel}\n")
    given = [word for source in modules for word in ("--modules", str(source))]
    with directory() as scratch:
        _measure("guest image, from the cache", image.base)
        _boot(kernel, accel, scratch, hardware)
        options = ["--kernel", name, *given, "--accel", accel, *hardware.words]
        results = _session("the suites: whole session", options, scratch / "suites")
        _tests(results)
        _replacement(_session("a run with a panic: whole session", [*options, str(FAULT)], scratch / "panic"))
    return 0


def _line(phase: str, seconds: float, note: str = "") -> None:
    print(f"{phase:44} {seconds:8.2f} s  {note}".rstrip(), flush=True)


def _measure(phase: str, call: Callable[[], object]) -> None:
    begin = time.monotonic()
    with waiting(phase):
        call()
    _line(phase, time.monotonic() - begin)


def _boot(kernel: Kernel, accel: str, scratch: Path, hardware: Hardware) -> None:
    machine = Machine(kernel, accel=accel, directory=scratch / "boot", hardware=hardware)
    try:
        _measure("initramfs written, QEMU started", machine.start)
        _measure("QEMU's start to the guest being ready", machine.wait_ready)
    finally:
        machine.kill()


def _session(phase: str, options: list[str], results: Path) -> list[dict[str, Any]]:
    command = pytest_command(*options, "--results", str(results), "-q")
    _measure(phase, lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=False))
    lines = (results / "results.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if "test" in record]


def _tests(results: list[dict[str, Any]]) -> None:
    _line(f"  {count(len(results), 'test')}", sum(r["duration"] for r in results), "in the tests themselves")
    print(f"\nthe {SLOWEST} slowest tests")
    for record in sorted(results, key=lambda r: -float(r["duration"]))[:SLOWEST]:
        _line(f"  {record['test'].rpartition('/')[2]}", record["duration"])
    print()


def _replacement(results: list[dict[str, Any]]) -> None:
    ends = [record for record in results if record["status"] == "panic"]
    begins = [record for record in results if "::test_after" in record["test"]]
    if ends and begins:
        lost = datetime.fromisoformat(ends[0]["started"])
        again = datetime.fromisoformat(begins[0]["started"])
        _line("  lost VM to the next test", (again - lost).total_seconds())
