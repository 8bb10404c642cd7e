# SPDX-License-Identifier: GPL-2.0-or-later
"""From behaviours to tests to what each kernel did, and whether every behaviour has a test."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from helpers.contract.behaviours import SUITES, Behaviour
from helpers.contract.properties import Property
from reports.matrix import Matrix, Row
from reports.text import markdown, one_line


def as_text(matrix: Matrix) -> str:
    """Return a line for each behaviour: its id and kind, its status on each kernel, its source and its tests.

    Before them is what one must know of the run.
    """
    head = ["behaviour", "kind", *(kernel.name for kernel in matrix.kernels), "source; tests"]
    lines = [
        head,
        *([row.behaviour.id, _kind(row), *_statuses(row, matrix), _about(row)] for row in matrix.rows),
    ]
    widths = [max(len(one_line(cell)) for cell in column) for column in list(zip(*lines, strict=True))[:-1]]
    return "".join(f"{one_line(line)}\n" for line in matrix.balance.reservations) + "".join(
        "  ".join(
            [*(f"{one_line(cell):<{width}}" for cell, width in zip(line, widths, strict=False)), line[-1]]
        )
        + "\n"
        for line in lines
    )


def as_markdown(matrix: Matrix) -> str:
    """Return the table in Markdown."""
    head = ["behaviour", "kind", "source", "tests", *(markdown(kernel.name) for kernel in matrix.kernels)]
    rows = [
        [
            *map(markdown, (row.behaviour.id, _kind(row), row.behaviour.source, "; ".join(_tests(row)))),
            *_statuses(row, matrix),
        ]
        for row in matrix.rows
    ]
    said = "".join(f"**{markdown(line)}**\n\n" for line in matrix.balance.reservations)
    return said + "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *rows])


def _kind(row: Row) -> str:
    return row.behaviour.kind or "-"


def _statuses(row: Row, matrix: Matrix) -> list[str]:
    return [str(row.statuses.get(kernel.name, "-")) for kernel in matrix.kernels]


def _about(row: Row) -> str:
    return "; ".join(filter(None, [one_line(row.behaviour.source), *_tests(row)]))


def _tests(row: Row) -> list[str]:
    """Name the functions that verify a behaviour, with the number of their cases."""
    tests = {result.test for results in row.results.values() for result in results}
    functions = Counter(test.partition("[")[0] for test in sorted(tests))
    named = [
        one_line(name) if number == 1 else f"{one_line(name)} ({number})"
        for name, number in functions.items()
    ]
    return named or [f"untested: {row.behaviour.untested}" if row.behaviour.untested else "not run"]


# ---- the check ----


class NotCollectedError(Exception):
    """pytest could not collect the suites; the text is what it said."""


def collected(suites: Path = SUITES) -> dict[str, list[str]]:
    """Return the tests of the suites and the behaviours that each names.

    Raises NotCollectedError: a test names no behaviour or an unknown one, an id is there twice, or a file is broken.
    """
    found = _Collected()
    said = io.StringIO()
    with redirect_stdout(said):
        code = pytest.main(
            ["--collect-only", "-qq", "--rootdir", str(suites.parent), str(suites)], plugins=[found]
        )
    if found.interrupted:
        raise KeyboardInterrupt
    if code is not pytest.ExitCode.OK:
        raise NotCollectedError(said.getvalue().strip())
    return found.tests


class _Collected:
    """pytest plugin: keeps what was collected."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = {}
        self.interrupted = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = excinfo.type is KeyboardInterrupt  # a file that is broken is a subclass of it

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self.tests[item.nodeid] = [
                str(value) for name, value in item.user_properties if name == Property.BEHAVIOUR
            ]


def mistakes(behaviours: Mapping[str, Behaviour], tests: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each behaviour that has no test and no reason for it, and for each reason too many."""
    return list(_mistakes(behaviours.values(), {name for named in tests.values() for name in named}))


def _mistakes(behaviours: Iterable[Behaviour], verified: set[str]) -> Iterator[str]:
    for one in behaviours:
        if one.untested and one.id in verified:
            yield f"{one.id}: a test verifies it, yet it says why it is untested"
        elif not one.untested and one.id not in verified:
            yield f"{one.id}: no test verifies it, and it does not say why (untested = ...)"
