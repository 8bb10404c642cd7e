# SPDX-License-Identifier: GPL-2.0-or-later
"""KTAP, version 1 (Documentation/dev-tools/ktap.rst): a file per kernel, and one of all with a subtest per kernel.

A result line has a name in the alphabet of KCIDB's paths, since `#` and control characters would end it; the node id
and what the test said stand in diagnostic lines before it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from helpers.contract.results import Result, kernels
from reports.names import paths
from reports.run import kernel_directory, replace_file
from reports.text import one_line, printable, shortened


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/<kernel>/ktap.txt` for each kernel, and `<run>/ktap.txt`. Raises OSError."""
    by_kernel = kernels(results)
    written = [
        replace_file(kernel_directory(run, kernel) / "ktap.txt", document(tests).encode())
        for kernel, tests in by_kernel.items()
    ]
    return [*written, replace_file(run / "ktap.txt", merged(by_kernel).encode())]


def document(results: Sequence[Result]) -> str:
    """Return the KTAP of one kernel's results."""
    return "".join(f"{line}\n" for line in _lines(results))


def merged(by_kernel: dict[str, list[Result]]) -> str:
    """Return KTAP with a subtest for each kernel."""
    lines = ["KTAP version 1", f"1..{len(by_kernel)}"]
    for number, (kernel, results) in enumerate(by_kernel.items(), start=1):
        name = one_line(kernel).replace("#", "_")
        version, *rest = _lines(results)
        lines += [f"  {line}" for line in (version, f"# Subtest: {name}", *rest)]
        lines.append(f"{'not ok' if any(result.words.bad for result in results) else 'ok'} {number} {name}")
    return "".join(f"{line}\n" for line in lines)


def _lines(results: Sequence[Result]) -> Iterator[str]:
    names = paths(result.test for result in results)
    yield "KTAP version 1"
    yield f"1..{len(results)}"
    for number, result in enumerate(results, start=1):
        if result.words.bad:
            yield from (f"# {line}" for line in _diagnosis(result))
        outcome, _, directive = result.words.ktap.partition(" # ")
        reason = f" # {directive} {one_line(result.headline)}".rstrip() if directive else ""
        yield f"{outcome} {number} {names[result.test]}{reason}"


def _diagnosis(result: Result) -> list[str]:
    text = f"{printable(result.test)}\n{result.status}: {shortened(result.message)}"
    return text.splitlines()
