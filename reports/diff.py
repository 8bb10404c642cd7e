# SPDX-License-Identifier: GPL-2.0-or-later
"""What changed from one run to another, test by test on the kernels that both ran on."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from helpers.contract.results import Result, kernels, read
from helpers.contract.status import Status, rank
from reports import run
from reports.text import markdown, one_line, shortened


class Kind(StrEnum):
    """What a change is, the one that matters most first."""

    REGRESSION = "regression"
    LOST_FEATURE = "lost feature"
    NEW_SKIP = "new skip"
    FIXED = "fixed"
    NO_LONGER_SKIPPED = "no longer skipped"
    CHANGED = "changed"
    GONE = "gone"
    ADDED = "added"


ALARMING = (Kind.REGRESSION, Kind.LOST_FEATURE, Kind.NEW_SKIP)
"""With one of these a comparison has not gone well: something works no more, or nobody looks at it any more."""

_COUNTED_ONLY = (Kind.GONE, Kind.ADDED)


class Change(NamedTuple):
    """A test that ended differently on a kernel; the result that a run does not have is None."""

    kind: Kind
    old: Result | None
    new: Result | None

    @property
    def result(self) -> Result:
        """The newer of the two."""
        result = self.new or self.old
        assert result
        return result


@dataclass(frozen=True)
class Comparison:
    """Two runs by their names, what changed between them, and the kernels that only one of them has."""

    old: str
    new: str
    changes: list[Change]
    only_old: list[str]
    only_new: list[str]

    @property
    def counts(self) -> Counter[Kind]:
        """How many changes there are of each kind."""
        return Counter(change.kind for change in self.changes)

    @property
    def alarming(self) -> bool:
        """Whether something works no more, or is not looked at any more."""
        return any(change.kind in ALARMING for change in self.changes)

    def __str__(self) -> str:
        """Say it in half a line."""
        return (
            ", ".join(_count(kind, self.counts[kind]) for kind in Kind if self.counts[kind]) or "no changes"
        )


def _count(kind: Kind, number: int) -> str:
    return f"{number} {kind}{'s' if kind in ALARMING and number > 1 else ''}"


def compare(old: Sequence[Result], new: Sequence[Result], names: tuple[str, str] = ("", "")) -> Comparison:
    """Return what changed from `old` to `new`, the worst first."""
    before, after = kernels(old), kernels(new)
    common = before.keys() & after.keys()
    changes = chain.from_iterable(
        _changes(before[kernel], after[kernel]) for kernel in after if kernel in common
    )
    return Comparison(
        *names,
        sorted(changes, key=lambda change: list(Kind).index(change.kind)),
        [kernel for kernel in before if kernel not in common],
        [kernel for kernel in after if kernel not in common],
    )


def _changes(old: Sequence[Result], new: Sequence[Result]) -> Iterator[Change]:
    before = {result.test: result for result in old}
    after = {result.test: result for result in new}
    for test in after | before:
        if kind := _kind(before.get(test), after.get(test)):
            yield Change(kind, before.get(test), after.get(test))


def _kind(old: Result | None, new: Result | None) -> Kind | None:
    if old is None or new is None:
        return Kind.GONE if new is None else Kind.ADDED
    if old.status is new.status:
        return None
    if new.words.bad and rank(new.status) > rank(old.status):
        return Kind.REGRESSION
    if new.status is Status.SKIP:
        lost = new.reason and new.reason.kind == "not-implemented"
        return Kind.LOST_FEATURE if lost else Kind.NEW_SKIP
    if new.status is Status.PASS:
        return Kind.NO_LONGER_SKIPPED if old.status is Status.SKIP else Kind.FIXED
    return Kind.CHANGED


# ---- the run to compare with ----

_LOOK_BACK = 10


def earlier(directory: Path, results: Sequence[Result]) -> Comparison | None:
    """Compare a run with the newest one before it in the same directory that ran half of its tests or more.

    The ten runs before it are looked at: a run of a few tests must not hide what a whole run has to say.
    """
    wanted = {(result.kernel, result.test) for result in results}
    before = [other for other in run.runs(directory.parent) if other.name < directory.name]
    for other in islice(reversed(before), _LOOK_BACK):
        found = read(other / run.RESULTS).results
        if 2 * len(wanted & {(result.kernel, result.test) for result in found}) >= max(1, len(wanted)):
            return compare(found, results, (other.name, directory.name))
    return None


# ---- in words ----


class Group(NamedTuple):
    """The same change of one test on several kernels."""

    kind: Kind
    test: str
    behaviours: list[str]
    change: str
    kernels: list[str]
    message: str


def groups(comparison: Comparison) -> list[Group]:
    """Return the changes that are worth a line each."""
    found: dict[tuple[Kind, str, str, str], Group] = {}
    for change in comparison.changes:
        if change.kind in _COUNTED_ONLY or not change.old or not change.new:
            continue
        step = f"{change.old.status} → {change.new.status}"
        key = (change.kind, change.new.test, step, change.new.headline)
        group = Group(change.kind, change.new.test, change.new.behaviours, step, [], change.new.headline)
        found.setdefault(key, group).kernels.append(change.new.kernel)
    return list(found.values())


def as_text(comparison: Comparison) -> str:
    """Return a line for each change, after one that counts them."""
    lines = [f"{comparison.old} → {comparison.new}: {comparison}"]
    lines += [
        f"{group.kind:<17}  {' '.join(group.kernels)}  {group.change}  {group.test}"
        + (f": {group.message}" if group.message else "")
        for group in groups(comparison)
    ]
    return "\n".join(one_line(line) for line in lines + _not_compared(comparison)) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """Return a table of the changes for the summary of a CI job."""
    lines = [f"**{markdown(comparison.old)} → {markdown(comparison.new)}:** {comparison}"]
    rows = [
        [
            f"**{group.kind}**" if group.kind in ALARMING else str(group.kind),
            *(markdown(cell) for cell in (" ".join(group.kernels), group.change, group.test, group.message)),
        ]
        for group in groups(comparison)
    ]
    if rows:
        head = ["", "kernels", "status", "test", "message"]
        table = [head, ["---"] * len(head), *rows]
        lines += ["", *(f"| {' | '.join(row)} |" for row in table)]
    lines += [f"\n{markdown(line)}" for line in _not_compared(comparison)]
    return "\n".join(lines) + "\n"


def _not_compared(comparison: Comparison) -> list[str]:
    sides = {comparison.old: comparison.only_old, comparison.new: comparison.only_new}
    return [f"only in {name}: {' '.join(only)}" for name, only in sides.items() if only]


def as_json(comparison: Comparison) -> str:
    """Return the comparison with every single change."""
    return (
        json.dumps(
            {
                "format": 1,
                "old": comparison.old,
                "new": comparison.new,
                "alarming": comparison.alarming,
                "counts": {kind: comparison.counts[kind] for kind in Kind},
                "only_old": comparison.only_old,
                "only_new": comparison.only_new,
                "changes": [_values(change) for change in comparison.changes],
            },
            indent=1,
        )
        + "\n"
    )


def _values(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "kernel": change.result.kernel,
        "test": change.result.test,
        "behaviours": change.result.behaviours,
        "old": change.old and change.old.status,
        "new": change.new and change.new.status,
        "message": shortened(change.result.headline),
    }
