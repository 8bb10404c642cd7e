# SPDX-License-Identifier: GPL-2.0-or-later
"""A run in a few lines for people: what failed, and how many behaviours are how on each kernel."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from helpers.contract.results import Result, kernels
from helpers.contract.status import Status, rank
from reports import evidence
from reports.matrix import build
from reports.names import is_test, short
from reports.text import count, one_line, printable


class Line(NamedTuple):
    """A line of text and the colour it has on a terminal; "" is the terminal's own."""

    text: str
    colour: str = ""


def result_line(result: Result, width: int = 0) -> Line:
    """Return the line of one test, with the kernel's name padded to `width` columns."""
    text = f"{result.kernel:<{width}}  {result.status:<5}  {result.test}  ({result.duration:.2f} s)"
    return Line(printable(_with_headline(text, result.headline)), result.words.colour)


def _with_headline(text: str, headline: str) -> str:
    return f"{text}: {one_line(headline)}" if headline else text


def result_rows(result: Result, width: int, columns: int) -> list[Line]:
    """Return the line of a test for a terminal: a row that names it and one that says why, cut at the edge."""
    rows = [f"{result.kernel:<{width}}  {result.status:<5}  {short(result.test)}  ({result.duration:.2f} s)"]
    if result.headline:
        rows.append(f"{'':<{width}}         {result.headline}")
    return [Line(cut(one_line(row), columns), result.words.colour) for row in rows]


def cut(line: str, columns: int) -> str:
    """Return a line that ends before the edge of a terminal."""
    text = Text(line)
    text.truncate(columns - 1, overflow="ellipsis")
    return text.plain


def kernel_line(kernel: str, results: Sequence[Result], width: int = 0) -> Line:
    """Return the line of a kernel on which all tests have ended."""
    bad = any(result.words.bad for result in results)
    text = f"{kernel:<{width}}  done   {count(len(results), 'test')}: {_counts(result.status for result in results)}"
    return Line(printable(text), "red" if bad else "green")


def _counts(statuses: Iterable[Status]) -> str:
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {status}" for status in reversed(Status) if counts[status])


def summary(
    results: Sequence[Result], columns: int | None = None, known: evidence.Catalogue = evidence.NONE
) -> list[Line]:
    """Return what failed, worst first, what did not run, why tests did not count, and a table of the kernels.

    The table says how many behaviours are how on each kernel, and less if it would be wider than `columns`.
    """
    if not results:
        return [Line("no results")]
    parts = [
        list(_failures(results, known)),
        *(list(part(results)) for part in (_not_run, _excused, _new_features)),
        _table(results, columns),
    ]
    lines = [line for part in parts if part for line in (*part, Line(""))]
    return lines[:-1]


def _failures(results: Sequence[Result], known: evidence.Catalogue) -> Iterator[Line]:
    """Give each failure once, with the kernels on which it is the same."""
    alike: dict[tuple[Status, str, str], list[Result]] = {}
    for result in sorted(
        (result for result in results if result.words.bad and not result.not_run),
        key=lambda one: -rank(one.status),
    ):
        alike.setdefault((result.status, result.test, result.headline), []).append(result)
    for (status, test, headline), failed in alike.items():
        text = f"{status:<5}  {test} on {' '.join(kernels(failed))}"
        yield Line(printable(_with_headline(text, headline)), "red")
        yield from (Line(f"       {line}") for line in evidence.summary(failed[0], known))


def _not_run(results: Sequence[Result]) -> Iterator[Line]:
    """Give each reason once, with the kernel and the number of tests that it kept from running."""
    missing = [result for result in results if result.not_run]
    for kernel, tests in kernels(missing).items():
        for reason, number in Counter(result.headline for result in tests if is_test(result.test)).items():
            yield Line(one_line(f"{kernel}: {count(number, 'test')} {reason or 'not run'}"), "red")


_EXCUSED = {Status.SKIP: "skipped", Status.XFAIL: "failed as expected"}


def _excused(results: Sequence[Result]) -> Iterator[Line]:
    """Give each reason once, with the kernels and the number of tests that did not count because of it."""
    reasons: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.status in _EXCUSED:
            reasons.setdefault((_EXCUSED[result.status], result.headline), []).append(result)
    for (word, reason), found in sorted(reasons.items(), key=lambda one: one[0][0] != "skipped"):
        tests = count(len({result.test for result in found}), "test")
        text = f"{word} on {' '.join(kernels(found))}: {reason or 'no reason given'} ({tests})"
        yield Line(one_line(text), "yellow")


def _new_features(results: Sequence[Result]) -> Iterator[Line]:
    for kernel, tests in kernels(results).items():
        if found := list(dict.fromkeys(name for result in tests for name in result.new_features)):
            yield Line(
                one_line(f"new on {kernel}, which its baseline does not know: {' '.join(found)}"), "yellow"
            )


def _table(results: Sequence[Result], columns: int | None) -> list[Line]:
    """Count the behaviours on each kernel, and say what the kernel was if there is room."""
    matrix = build(results, {})
    counts = {kernel.name: matrix.counts(kernel.name) for kernel in matrix.kernels}
    statuses = [status for status in Status if any(count[status] for count in counts.values())]
    rows = [["behaviours", *statuses, "all", "tests", "release", "accel"]]
    for kernel in matrix.kernels:
        of_kernel = counts[kernel.name]
        numbers = [*(of_kernel[status] for status in statuses), of_kernel.total(), kernel.ran]
        words = (kernel.name, *map(str, numbers), kernel.release or "-", kernel.accel or "-")
        rows.append([*map(one_line, words)])
    lines = _aligned(rows)
    fits = columns is None or max(map(len, lines)) <= columns
    return [Line(line) for line in (lines if fits else _aligned([row[:-2] for row in rows], gap=" "))]


def _aligned(rows: list[list[str]], gap: str = "  ") -> list[str]:
    """Return a line per row, words to the left in their columns and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = [cell.isdecimal() for cell in rows[-1]]
    lines = (
        (
            f"{cell:>{width}}" if number else f"{cell:<{width}}"
            for cell, width, number in zip(row, widths, numbers, strict=True)
        )
        for row in rows
    )
    return [gap.join(cells).rstrip() for cells in lines]
