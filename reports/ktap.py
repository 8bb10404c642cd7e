# SPDX-License-Identifier: GPL-2.0-or-later
"""KTAP, version 1 (Documentation/dev-tools/ktap.rst): a file per kernel, and one of all with a subtest per kernel.

A result line has a name in the alphabet of KCIDB's paths, since `#` and control characters would end it; the node id
and what the test said stand in diagnostic lines before it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from helpers.contract.results import Result, kernels
from reports.evidence import NONE, Catalogue, as_text, catalogue
from reports.missing import headline
from reports.names import is_test, paths
from reports.run import kernel_directory, replace_file
from reports.text import one_line, printable


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/<kernel>/ktap.txt` for each kernel, and `<run>/ktap.txt`. Raises OSError."""
    by_kernel = kernels(results)
    line, known = headline(run, results), catalogue()
    written = [
        replace_file(kernel_directory(run, kernel) / "ktap.txt", document(tests, known).encode())
        for kernel, tests in by_kernel.items()
    ]
    return [*written, replace_file(run / "ktap.txt", merged(by_kernel, line, known).encode())]


def document(results: Sequence[Result], known: Catalogue = NONE) -> str:
    """Return the KTAP of one kernel's results."""
    return "".join(f"{line}\n" for line in _lines(results, known))


def merged(by_kernel: dict[str, list[Result]], line: str = "", known: Catalogue = NONE) -> str:
    """Return KTAP with a subtest for each kernel; `line` says whether the run is complete."""
    lines = ["KTAP version 1", f"1..{len(by_kernel)}", *([f"# {line}"] if line else [])]
    for number, (kernel, results) in enumerate(by_kernel.items(), start=1):
        name = one_line(kernel).replace("#", "_")
        version, *rest = _lines(results, known)
        lines += [f"  {line}" for line in (version, f"# Subtest: {name}", *rest)]
        lines.append(f"{'not ok' if any(result.words.bad for result in results) else 'ok'} {number} {name}")
    return "".join(f"{line}\n" for line in lines)


def _lines(results: Sequence[Result], known: Catalogue) -> Iterator[str]:
    names = paths(result.test for result in results)
    yield "KTAP version 1"
    yield f"1..{len(results)}"
    tests = [result for result in results if is_test(result.test)]
    if missing := sum(result.not_run for result in tests):
        yield f"# {len(tests) - missing} of {len(tests)} tests ran"
    for number, result in enumerate(results, start=1):
        if result.words.bad and not result.not_run:
            yield from (f"# {line}".rstrip() for line in _diagnosis(result, known))
        outcome, _, directive = result.words.ktap.partition(" # ")
        reason = f" # {directive} {one_line(result.headline)}".rstrip() if directive else ""
        yield f"{outcome} {number} {names[result.test]}{reason}"


def _diagnosis(result: Result, known: Catalogue) -> list[str]:
    return f"{printable(result.test)}\n{result.status}: {as_text(result, known)}".splitlines()
