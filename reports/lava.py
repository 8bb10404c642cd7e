# SPDX-License-Identifier: GPL-2.0-or-later
"""LAVA: lines of a test case's id and its result, as Linaro's test-definitions hand to lava-test-case.

In a job: `while read id result; do lava-test-case "$id" --result "$result"; done < lava.txt`.
"""

from collections.abc import Sequence
from pathlib import Path

from helpers.contract.results import Result, kernels
from reports.names import paths
from reports.run import kernel_directory, replace_file


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/<kernel>/lava.txt` for each kernel. Raises OSError."""
    return [
        replace_file(kernel_directory(run, kernel) / "lava.txt", document(tests).encode())
        for kernel, tests in kernels(results).items()
    ]


def document(results: Sequence[Result]) -> str:
    """Return the lines of one kernel."""
    names = paths(result.test for result in results)
    return "".join(f"{names[result.test]} {result.words.lava}\n" for result in results)
