# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of a run goes, phase by phase. On a busy machine compare ratios, not seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from vm import image
from vm.kernels import Kernel
from vm.machine import Machine

FAULT = image.PROJECT / "vm/tests/faults/panic.py"
SLOWEST = 10


def run(name: str, kernel: Kernel, accel: str, *, modules: Path | None) -> int:
    """Measure boot, a run of the suites and the replacement of a lost VM, and print what each phase took."""
    print(f"{kernel.name} ({kernel.origin}), {accel}\n")
    with tempfile.TemporaryDirectory() as scratch:
        _line("guest image, from the cache", _timed(image.base))
        _boot(kernel, accel, Path(scratch))
        options = ["--kernel", name, "--accel", accel, *(["--modules", str(modules)] if modules else [])]
        results = _session("the suites: whole session", options, Path(scratch) / "suites")
        _tests(results)
        _replacement(
            _session("a run with a panic: whole session", [*options, str(FAULT)], Path(scratch) / "panic")
        )
    return 0


def _line(phase: str, seconds: float, note: str = "") -> None:
    print(f"{phase:44} {seconds:8.2f} s  {note}".rstrip(), flush=True)


def _timed(call: Any) -> float:
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def _boot(kernel: Kernel, accel: str, scratch: Path) -> None:
    machine = Machine(kernel, accel=accel, directory=scratch / "boot")
    try:
        _line("initramfs written, QEMU started", _timed(machine.start))
        _line("QEMU's start to the guest being ready", machine.wait_ready())
    finally:
        machine.kill()


def _session(phase: str, options: list[str], results: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pytest", *options, "--results", str(results), "-q"]
    begin = time.monotonic()
    subprocess.run(command, cwd=image.PROJECT, stdout=subprocess.DEVNULL, check=False)
    _line(phase, time.monotonic() - begin)
    lines = (results / "results.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if "test" in record]


def _tests(results: list[dict[str, Any]]) -> None:
    _line(f"  {len(results)} tests", sum(r["duration"] for r in results), "in the tests themselves")
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
