# SPDX-License-Identifier: GPL-2.0-or-later
"""A run in a few lines for people: what failed, and how many tests ended how on each kernel."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reports.results import Result, kernels
from reports.status import Status, rank
from reports.text import printable


class Line(NamedTuple):
    """A line of text and the colour it has on a terminal; "" is the terminal's own."""

    text: str
    colour: str = ""


def result_line(result: Result, width: int = 0) -> Line:
    """Return the line of one test, with the kernel's name padded to `width` columns."""
    text = f"{result.kernel:<{width}}  {result.status:<5}  {result.test}  ({result.duration:.2f} s)"
    return Line(printable(f"{text}: {result.headline}" if result.headline else text), result.words.colour)


def summary(results: Sequence[Result]) -> list[Line]:
    """Return what failed, worst first, each with the first line of its message, and the table of kernels."""
    if not results:
        return [Line("no results")]
    return [*_failures(results), *_table(results)]


def _failures(results: Sequence[Result]) -> Iterator[Line]:
    bad = sorted((result for result in results if result.words.bad), key=lambda result: -rank(result.status))
    width = max((len(result.kernel) for result in bad), default=0)
    yield from (result_line(result, width) for result in bad)
    if bad:
        yield Line("")


def _table(results: Sequence[Result]) -> Iterator[Line]:
    seen = {result.status for result in results}
    columns = [status for status in Status if status in seen]
    rows = [["kernel", "release", "accel", *columns, "total"]]
    rows += [_row(kernel, tests, columns) for kernel, tests in kernels(results).items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:3], widths[:3], strict=True)]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[3:], widths[3:], strict=True)]
        yield Line(printable("  ".join(cells)))


def _row(kernel: str, results: Sequence[Result], columns: Sequence[Status]) -> list[str]:
    release = next((result.release for result in results if result.release), "-")
    accel = next((result.accel for result in results if result.accel), "-")
    counts = Counter(result.status for result in results)
    return [kernel, release, accel, *(str(counts[status]) for status in columns), str(len(results))]
