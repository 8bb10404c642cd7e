# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the page takes: to write for a large made-up run, and to answer in Chromium."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from helpers.contract.behaviours import Behaviour
from helpers.contract.results import Reason, Result, dump, read
from helpers.contract.status import VM_GONE, Status
from reports import page, run
from reports.browser import chromium
from reports.diff import compare
from reports.matrix import build
from reports.stored import Stored

BEHAVIOURS = 1000
KERNELS = 15
_TESTS = 2
T = TypeVar("T")
_SHARES = {
    Status.PASS: 90,
    Status.SKIP: 7,
    Status.FAIL: 1,
    Status.XFAIL: 1,
    Status.ERROR: 0.9,
    Status.PANIC: 0.1,
}
_MESSAGE = "expected EINVAL, got 0\n  where flags = FAN_MARK_ADD|FAN_MARK_REMOVE\n" * 3

_FILTER = """
const done = arguments[arguments.length - 1];
const set = (id, value) => { document.getElementById(id).value = value };
const box = document.querySelector("[name=status][value=fail]");
const change = { text: () => set("text", "BEHAVIOUR-77"), clear: () => set("text", ""),
                 kernel: () => set("kernel", "7"), all: () => set("kernel", ""),
                 fail: () => { box.checked = true }, any: () => { box.checked = false } }[arguments[0]];
requestAnimationFrame(() => setTimeout(() => {
  const begin = performance.now();
  change();
  document.getElementById("filter").dispatchEvent(new Event("input"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
}));
"""
"""Changes the filter and waits until the page has been painted anew."""


def catalogue(number: int = BEHAVIOURS) -> dict[str, Behaviour]:
    """Make up behaviours, 40 to an interface."""
    made = [
        Behaviour(
            f"BEHAVIOUR-{index}",
            f"interface_{index // 40:02}",
            "The kernel does what the manual says when it is asked to, and says EINVAL when it is asked for both.",
            "fanotify_mark(2), ERRORS, EINVAL",
            "5.1",
        )
        for index in range(number)
    ]
    return {one.id: one for one in made}


def results(behaviours: int = BEHAVIOURS, kernels: int = KERNELS, seed: int = 1) -> Iterator[Result]:
    """Make up a run, the same one for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret, but the same each time
    for kernel in range(kernels):
        for index in range(behaviours * _TESTS):
            (status,) = chance.choices(list(_SHARES), list(_SHARES.values()))
            reason = Reason("not-implemented", "FAN_REPORT_MNT, 6.15") if status is Status.SKIP else None
            yield Result(
                kernel=f"6.{kernel}",
                release=f"6.{kernel}.0-amd64",
                accel="tcg",
                test=f"suites/interface/test_flags.py::test_flags[FAN_REPORT_PIDFD|FAN_REPORT_TID-{index}]",
                behaviours=[f"BEHAVIOUR-{index % behaviours}"],
                status=status,
                reason=reason,
                message="" if status is Status.PASS else _MESSAGE,
                duration=0.0123,
                started="2026-01-02T03:04:05.678+00:00",
                console="BUG: kernel NULL pointer dereference\n" * 60 if status in VM_GONE else None,
            )


def main() -> None:
    """Print what each step takes. Raises NoBrowserError."""
    with tempfile.TemporaryDirectory(prefix="fapitest-bench-") as scratch:
        directory = Path(scratch)
        (directory / run.RESULTS).write_bytes(b"".join(map(dump, results())))
        print(f"{BEHAVIOURS} behaviours, {KERNELS} kernels, {BEHAVIOURS * KERNELS * _TESTS} results")
        found = _timed("read results.jsonl", lambda: read(directory / run.RESULTS).results)
        earlier, this = Stored("earlier", list(results(seed=2))), Stored("benchmark", found)
        changes = _timed("compare with another run", lambda: compare(earlier, this))
        matrix = _timed("build the matrix", lambda: build(found, catalogue(), "benchmark", changes))
        text = _timed("render matrix.html", lambda: page.html(matrix))
        print(f"{'size of matrix.html':<40}{len(text) / 1e6:>8.1f} MB")
        (directory / run.PAGE).write_text(text)
        _in_chromium(directory / run.PAGE)


def _in_chromium(file: Path) -> None:
    with chromium() as driver:
        _timed("open it in Chromium", lambda: driver.get(file.as_uri()))
        for change in ("text", "clear", "fail", "kernel", "any", "all") * 2:
            took = driver.execute_async_script(_FILTER, change)
            print(f"{f'answer the filter ({change})':<40}{took:>8.0f} ms")


def _timed(what: str, do: Callable[[], T]) -> T:
    begin = time.perf_counter()
    value = do()
    print(f"{what:<40}{1000 * (time.perf_counter() - begin):>8.0f} ms")
    return value
