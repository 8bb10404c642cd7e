# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix: what each kernel does about each behaviour."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from helpers.contract.behaviours import Behaviour
from helpers.contract.manifest import Balance, End
from helpers.contract.results import NO_BOOT, Result, kernels
from helpers.contract.sources import Kind as Firmness
from helpers.contract.status import Status, combined, rank
from reports import names
from reports.diff import Change, Comparison, Kind
from reports.evidence import NONE, kind_of, pieces
from reports.sources import references
from reports.text import last_lines, one_line, printable, shortened

WHOLE = Balance(how=End.COMPLETE)
"""Of a run of which nothing is missing."""
NO_INTERFACE = "tests that name no behaviour"
"""Where results lie that verify nothing: a VM that did not boot, a file that could not be collected."""


@dataclass(frozen=True)
class Kernel:
    """A column: a kernel, and what it was run with."""

    name: str
    release: str
    accel: str
    tests: Counter[Status]
    new_features: list[str]
    planned: int
    """How many tests should have run: not all results are of tests."""
    ran: int


@dataclass(frozen=True)
class Row:
    """A behaviour, and the results of its tests by kernel."""

    behaviour: Behaviour
    results: dict[str, list[Result]]

    @cached_property
    def statuses(self) -> dict[str, Status]:
        """The status of the behaviour on each kernel that ran a test of it."""
        return {kernel: combined(result.status for result in found) for kernel, found in self.results.items()}

    @cached_property
    def bad(self) -> list[str]:
        """The kernels on which something is wrong with it."""
        return [
            kernel
            for kernel, found in self.results.items()
            if any(one.words.bad and not one.not_run for one in found)
        ]

    @property
    def ran(self) -> bool:
        """Whether a test of it ran on any kernel."""
        return any(not one.not_run for found in self.results.values() for one in found)

    @cached_property
    def is_boot(self) -> bool:
        """Whether it stands for kernels that did not come up."""
        return self.behaviour.id == NO_BOOT

    @cached_property
    def failing(self) -> list[str]:
        """The kernels that do something else, beyond doubt."""
        beyond_doubt = {Status.FAIL, Status.PANIC}  # whatever became of its other tests
        return [
            kernel
            for kernel, found in self.results.items()
            if any(one.status in beyond_doubt for one in found)
        ]

    @cached_property
    def breaking(self) -> list[str]:
        """The kernels that break it: another answer than the kernel's code gives breaks no promise, a panic does."""
        return [
            kernel for kernel in self.failing if any(self._breaks(result) for result in self.results[kernel])
        ]

    def _breaks(self, result: Result) -> bool:
        known = {self.behaviour.id: self.behaviour}
        return (
            result.status in (Status.FAIL, Status.PANIC) and kind_of(result, known) is not Firmness.OBSERVED
        )

    @property
    def worst(self) -> Result:
        """The result that most needs to be looked at."""
        return max(
            (one for found in self.results.values() for one in found), key=lambda one: rank(one.status)
        )


@dataclass(frozen=True)
class Matrix:
    """A run: its kernels are the columns, behaviours the rows, interface by interface.

    `balance` says whether it is complete, as far as that is known, and `consoles` has the paths of each kernel's
    console logs in the run's directory. `tests` says which they are.
    """

    run: str
    kernels: list[Kernel]
    rows: list[Row]
    comparison: Comparison | None = None
    balance: Balance = WHOLE
    consoles: Mapping[str, list[str]] = field(default_factory=dict)
    tests: str = ""

    @property
    def interfaces(self) -> dict[str, list[Row]]:
        """The rows of each interface."""
        return {name: list(rows) for name, rows in groupby(self.rows, lambda row: row.behaviour.suite)}

    @cached_property
    def unbooted(self) -> list[str]:
        """The kernels that did not come up, and ran no test at all."""
        boots = {name for row in self.rows if row.is_boot for name in row.results}
        return [kernel.name for kernel in self.kernels if kernel.name in boots and not kernel.ran]

    @cached_property
    def broken(self) -> list[Row]:
        """The rows in which something is wrong, those first that are wrong on most kernels, the worst first."""
        bad = (row for row in self.rows if row.bad)
        return sorted(bad, key=lambda row: (-rank(row.worst.status), -len(row.bad)))

    def counts(self, kernel: str) -> Counter[Status]:
        """How many behaviours are in which state on a kernel."""
        return Counter(row.statuses[kernel] for row in self.rows if kernel in row.statuses)

    @cached_property
    def changes(self) -> dict[tuple[str, str], list[Change]]:
        """The changes since the earlier run by kernel and test."""
        found: dict[tuple[str, str], list[Change]] = {}
        for change in self.comparison.changes if self.comparison else []:
            found.setdefault((change.result.kernel, change.result.test), []).append(change)
        return found

    def kind(self, row: Row, kernel: str) -> Kind | None:
        """The change of a row on a kernel that matters most."""
        changes = (
            change.kind
            for result in row.results.get(kernel, [])
            for change in self.changes.get((kernel, result.test), [])
            if change.kind is not Kind.ADDED
        )
        return min(changes, key=list(Kind).index, default=None)

    @cached_property
    def changed(self) -> list[Row]:
        """The rows in which something changed since the earlier run, the worst first."""
        kinds = [
            (row, [kind for kernel in row.results if (kind := self.kind(row, kernel))]) for row in self.rows
        ]
        changed = [(min(map(list(Kind).index, found)), row) for row, found in kinds if found]
        return [row for _, row in sorted(changed, key=lambda item: item[0])]


def build(
    results: Sequence[Result],
    behaviours: Mapping[str, Behaviour],
    run: str = "",
    comparison: Comparison | None = None,
    *,
    whole: bool = False,
    balance: Balance = WHOLE,
    consoles: Mapping[str, list[str]] | None = None,
    tests: str = "",
) -> Matrix:
    """Return the matrix of a run, unless it is to be `whole` without the interfaces that nothing was run of."""
    found: dict[str, dict[str, list[Result]]] = {}
    by_kernel = kernels(results)
    for result in (result for tests in by_kernel.values() for result in tests):
        for name in result.behaviours or [result.test]:
            found.setdefault(name, {}).setdefault(result.kernel, []).append(result)
    seen = {behaviours[name].suite for name in found if name in behaviours}
    known = [behaviour for behaviour in behaviours.values() if whole or behaviour.suite in seen]
    unknown = sorted(
        (_unknown(name, found[name]) for name in found if name not in behaviours),
        key=lambda one: one.suite,
    )
    rows = [Row(behaviour, found.get(behaviour.id, {})) for behaviour in [*known, *unknown]]
    columns = [_kernel(*item) for item in by_kernel.items()]
    return Matrix(run, columns, rows, comparison, balance, consoles or {}, tests)


def _unknown(name: str, found: dict[str, list[Result]]) -> Behaviour:
    """Return a row's head for a behaviour of a former time, or for a test that names none."""
    named = any(result.behaviours for results in found.values() for result in results)
    return Behaviour(name, "behaviours that no suite knows any more" if named else NO_INTERFACE)


def _kernel(name: str, results: Sequence[Result]) -> Kernel:
    return Kernel(
        name,
        next((result.release for result in results if result.release), ""),
        next((result.accel for result in results if result.accel), ""),
        Counter(result.status for result in results),
        list(dict.fromkeys(feature for result in results for feature in result.new_features)),
        planned=sum(names.is_test(result.test) for result in results),
        ran=sum(names.is_test(result.test) and not result.not_run for result in results),
    )


# ---- as JSON ----


def document(matrix: Matrix) -> dict[str, Any]:
    """Return the matrix for programs, the page's own among them. Texts are printable and shortened."""
    return {
        "format": 1,
        "run": matrix.run,
        "headline": one_line(matrix.balance.headline),
        "suite": one_line(matrix.tests),
        "earlier": matrix.comparison.old if matrix.comparison else None,
        "kinds": {firmness: firmness.basis for firmness in Firmness},
        "kernels": [
            {
                "name": printable(kernel.name),
                "release": one_line(kernel.release),
                "accel": one_line(kernel.accel),
                "command": one_line(names.command(kernel.name, kernel.accel)),
                "consoles": matrix.consoles.get(kernel.name, []),
                "planned": kernel.planned,
                "ran": kernel.ran,
                "tests": _counts(kernel.tests),
                "behaviours": _counts(matrix.counts(kernel.name)),
                "new_features": [one_line(name) for name in kernel.new_features],
            }
            for kernel in matrix.kernels
        ],
        "behaviours": [_behaviour(row, matrix) for row in matrix.rows],
        "tests": _tests(matrix),
    }


def _counts(counts: Mapping[Status, int]) -> dict[str, int]:
    return {status: counts[status] for status in Status if counts.get(status)}


def _behaviour(row: Row, matrix: Matrix) -> dict[str, Any]:
    one = row.behaviour
    texts = {
        name: one_line(getattr(one, name)) for name in ("since", "until", "documented", "actual", "untested")
    }
    return {
        "id": printable(one.id),
        "interface": one.suite,
        "statement": one.statement,
        "source": one.source,
        **({"kind": one.kind} if one.kind else {}),
        "links": [reference.url for reference in references(one.source) if reference.url],
        **{name: text for name, text in texts.items() if text},
        **({"fixed_by": [one_line(fix) for fix in one.fixed_by]} if one.fixed_by else {}),
        "status": {printable(kernel): status for kernel, status in row.statuses.items()},
        "changed": {printable(kernel): kind for kernel in row.results if (kind := matrix.kind(row, kernel))},
        "tests": _unique(printable(result.test) for found in row.results.values() for result in found),
    }


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _tests(matrix: Matrix) -> dict[str, dict[str, Any]]:
    tests: dict[str, dict[str, Any]] = {}
    for row in matrix.rows:
        for kernel, found in row.results.items():
            for result in found:
                tests.setdefault(printable(result.test), {})[printable(kernel)] = _test(result, matrix)
    return tests


_SHOWN = ("where", "traceback", "kernel log", "output")
"""The evidence of a test that its behaviour does not tell already."""


def _test(result: Result, matrix: Matrix) -> dict[str, Any]:
    values: dict[str, Any] = {"status": result.status, "seconds": round(result.duration, 3)}
    if result.reason:
        values["reason"] = one_line(f"{result.reason.kind}: {result.reason.text}")
    if result.message:
        values["message"] = shortened(result.message)
    if result.console is not None:
        values["console"] = last_lines(result.console)
    if shown := [piece for piece in pieces(result, NONE) if piece.title in _SHOWN]:
        values["evidence"] = [piece._asdict() for piece in shown]
    for change in matrix.changes.get((result.kernel, result.test), []):
        if change.old:
            values["was"] = change.old.status
    if result.status not in (Status.PASS, Status.NOT_RUN):
        values["rerun"] = one_line(names.rerun(result))
    return values
