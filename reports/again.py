# SPDX-License-Identifier: GPL-2.0-or-later
"""What to do next about a run: the command that runs what failed again, and where a kernel's last words are."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from helpers.contract.results import NO_BOOT, NO_TEST, Result, in_order
from reports.names import SERIES
from reports.text import printable

FAILED = "failed.txt"
"""The tests that failed on any kernel, a node id a line: what pytest takes as `@failed.txt`."""


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write FAILED; a name that pytest would not find again is left out."""
    tests = dict.fromkeys(result.test for result in results if _is_test(result))
    path = run / FAILED
    path.write_text("".join(f"{test}\n" for test in tests))
    return [path]


def _is_test(result: Result) -> bool:
    test = result.test
    return (
        result.words.bad
        and not result.not_run
        and not test.startswith(NO_TEST)
        and printable(test) == test
        and "\n" not in test
    )


def command(results: Sequence[Result], kernels: Sequence[str], file: str) -> str:
    """Return the command that runs the tests in `file` on the kernels on which one failed; empty if none did.

    `kernels` is what the user asked for, names or paths; nothing if the tests ran on this machine.
    """
    failed = in_order({result.kernel for result in results if _is_test(result)})
    if not failed:
        return ""
    tests = shlex.quote(f"@{file}")
    if not kernels:
        return f"tox -e host -- --on-this-machine {tests}"
    asked = [name for name in kernels if name.removeprefix("vm-") in failed or not SERIES.fullmatch(name)]
    if len(asked) == 1 and SERIES.fullmatch(asked[0]):
        return f"tox -e vm-{asked[0]} -- {tests}"
    return f"tox -e matrix -- {' '.join(f'--kernel {shlex.quote(name)}' for name in asked)} {tests}"


def consoles(results: Sequence[Result], run: Path) -> list[tuple[str, Path]]:
    """Return each kernel that did not come up, with the log of the console on which it last tried."""
    kernels = in_order({result.kernel for result in results if result.test == NO_BOOT})
    logs = {kernel: sorted((run / kernel).glob("console*.log"), key=_when) for kernel in kernels}
    return [(kernel, found[-1]) for kernel, found in logs.items() if found]


def _when(path: Path) -> int:
    return path.stat().st_mtime_ns
