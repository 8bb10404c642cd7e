# SPDX-License-Identifier: GPL-2.0-or-later
"""A run in a few lines for people: what failed, and how many behaviours are how on each kernel."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from reports.matrix import build
from reports.results import Result, kernels
from reports.status import Status, rank
from reports.text import one_line, printable


class Line(NamedTuple):
    """A line of text and the colour it has on a terminal; "" is the terminal's own."""

    text: str
    colour: str = ""


def result_line(result: Result, width: int = 0) -> Line:
    """Return the line of one test, with the kernel's name padded to `width` columns."""
    text = f"{result.kernel:<{width}}  {result.status:<5}  {result.test}  ({result.duration:.2f} s)"
    return Line(printable(f"{text}: {result.headline}" if result.headline else text), result.words.colour)


def kernel_line(kernel: str, results: Sequence[Result], width: int = 0) -> Line:
    """Return the line of a kernel on which all tests have ended."""
    bad = any(result.words.bad for result in results)
    text = f"{kernel:<{width}}  done   {_counts(result.status for result in results)}"
    return Line(printable(text), "red" if bad else "green")


def _counts(statuses: Iterable[Status]) -> str:
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {status}" for status in reversed(Status) if counts[status])


def summary(results: Sequence[Result]) -> list[Line]:
    """Return what failed, worst first, why tests were skipped, and how many behaviours are how on each kernel."""
    if not results:
        return [Line("no results")]
    parts = [list(part(results)) for part in (_failures, _skips, _new_features, _table)]
    lines = [line for part in parts if part for line in (*part, Line(""))]
    return lines[:-1]


def _failures(results: Sequence[Result]) -> Iterator[Line]:
    bad = sorted((result for result in results if result.words.bad), key=lambda result: -rank(result.status))
    width = max((len(result.kernel) for result in bad), default=0)
    yield from (result_line(result, width) for result in bad)


def _skips(results: Sequence[Result]) -> Iterator[Line]:
    """Give each reason once, with the kernels and the number of tests that it kept from running."""
    reasons: dict[str, list[Result]] = {}
    for result in results:
        if result.status is Status.SKIP:
            reasons.setdefault(result.headline, []).append(result)
    for reason, skipped in reasons.items():
        tests = len({result.test for result in skipped})
        text = f"skipped on {' '.join(kernels(skipped))}: {reason or 'no reason given'} ({tests} tests)"
        yield Line(one_line(text), "yellow")


def _new_features(results: Sequence[Result]) -> Iterator[Line]:
    for kernel, tests in kernels(results).items():
        if found := list(dict.fromkeys(name for result in tests for name in result.new_features)):
            yield Line(
                one_line(f"new on {kernel}, which its baseline does not know: {' '.join(found)}"), "yellow"
            )


def _table(results: Sequence[Result]) -> Iterator[Line]:
    matrix = build(results, {})
    counts = {kernel.name: matrix.counts(kernel.name) for kernel in matrix.kernels}
    columns = [status for status in Status if any(count[status] for count in counts.values())]
    rows = [["kernel", "release", "accel", *columns, "behaviours", "tests"]]
    for kernel in matrix.kernels:
        numbers = [
            *(counts[kernel.name][status] for status in columns),
            counts[kernel.name].total(),
            kernel.tests.total(),
        ]
        rows.append(
            [*map(one_line, (kernel.name, kernel.release or "-", kernel.accel or "-")), *map(str, numbers)]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:3], widths[:3], strict=True)]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[3:], widths[3:], strict=True)]
        yield Line("  ".join(cells))
