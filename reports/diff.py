# SPDX-License-Identifier: GPL-2.0-or-later
"""What changed from one run to another, test by test on the kernels that are the same, and what was lost on the way."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from helpers.contract.manifest import NO_BASELINE, End, said
from helpers.contract.manifest import read as read_manifest
from helpers.contract.results import COMPLAINED, Result
from helpers.contract.status import Status, rank
from reports import run
from reports.pairs import How, Pair, pairs
from reports.stored import Column, Stored, load
from reports.text import count, markdown, one_line, shortened


class Kind(StrEnum):
    """What a change is, the one that matters most first."""

    NOTHING_COMPARED = "no kernel in common"
    MISSING_KERNEL = "missing kernel"
    NOT_BOOTED = "not booted"
    INCOMPLETE = "incomplete"
    REGRESSION = "regression"
    NEWLY_FAILING = "newly failing"
    LOST_FEATURE = "lost feature"
    LOST_BASELINE = "lost baseline"
    NEW_KNOWN_ISSUE = "new known issue"
    NEW_SKIP = "new skip"
    OTHER_SKIP = "skipped for another reason"
    FEWER_PLANNED = "fewer planned"
    GONE = "gone"
    FIXED = "fixed"
    NO_LONGER_SKIPPED = "no longer skipped"
    CHANGED = "changed"
    ADDED = "added"


HARMLESS = frozenset({Kind.FIXED, Kind.NO_LONGER_SKIPPED, Kind.CHANGED, Kind.ADDED})
"""With anything else a comparison has not gone well: something works no more, or nobody looks at it any more."""

_NOUNS = frozenset(
    {
        Kind.MISSING_KERNEL,
        Kind.REGRESSION,
        Kind.LOST_FEATURE,
        Kind.LOST_BASELINE,
        Kind.NEW_KNOWN_ISSUE,
        Kind.NEW_SKIP,
    }
)
_MOST_GONE = 20
"""How many of the tests that are gone are named for people; programs get all."""


class Change(NamedTuple):
    """A test that ended differently on a kernel, by its name in the new run; what one run does not have is None."""

    kind: Kind
    kernel: str
    old: Result | None
    new: Result | None

    @property
    def result(self) -> Result:
        """The newer of the two."""
        result = self.new or self.old
        assert result
        return result


class Loss(NamedTuple):
    """Something about a kernel, or the whole run if it names none, because of which its tests tell less than before."""

    kind: Kind
    kernel: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """Two runs by their names, which kernels were compared, and what came out.

    `only_old` and `only_new` name the kernels without a counterpart. `notes` say what one should know to judge it.
    """

    old: str
    new: str
    pairs: list[Pair] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    only_old: list[str] = field(default_factory=list)
    only_new: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counter[Kind]:
        """How many losses and changes there are of each kind."""
        return Counter(one.kind for one in self.losses) + Counter(one.kind for one in self.changes)

    @property
    def alarming(self) -> bool:
        """Whether something works no more, or is not looked at any more."""
        return any(kind not in HARMLESS for kind in self.counts)

    def __str__(self) -> str:
        """Say it in half a line."""
        found = self.counts
        return ", ".join(_count(kind, found[kind]) for kind in Kind if found[kind]) or "no changes"


def _count(kind: Kind, number: int) -> str:
    if kind is Kind.NOTHING_COMPARED:
        return kind
    return count(number, kind) if kind in _NOUNS else f"{number} {kind}"


def compare(old: Stored, new: Stored, before: str = "", after: str = "") -> Comparison:
    """Return what changed from `old` to `new`, the worst first.

    Kernels are paired by what they are, unless one is chosen by its name on each side, `before` and `after`.
    Raises KeyError if a run has no such kernel.
    """
    olds = {before: old.columns[before]} if before else old.columns
    news = {after: new.columns[after]} if after else new.columns
    if before and after:
        found = [Pair(olds[before], news[after], How.HAND)]
    else:
        found = pairs(olds.values(), list(news.values()))
    only_old = [name for name in olds if name not in {pair.old.name for pair in found} and not after]
    only_new = [name for name in news if name not in {pair.new.name for pair in found}]
    tests = {pair.new.name: len(pair.old.tests) for pair in found}
    losses = [
        *_lost_kernels(only_old, found),
        *chain.from_iterable(_untold(column, tests.get(name, 0)) for name, column in news.items()),
        *chain.from_iterable(map(_no_longer, found)),
    ]
    losses += [
        Loss(Kind.INCOMPLETE, "", line) for line in _doubts(new, {loss.kind for loss in losses}, after)
    ]
    changes = [
        *chain.from_iterable(map(_changes, found)),
        *chain.from_iterable(_failing(news[name]) for name in only_new),
    ]
    losses.sort(key=_order)
    changes.sort(key=_order)
    return Comparison(
        old.name,
        new.name,
        found,
        losses,
        changes,
        only_old,
        only_new,
        [*_notes(old, new), *_baselines(found)],
    )


def _order(one: Loss | Change) -> int:
    return list(Kind).index(one.kind)


# ---- kernel by kernel ----


def _lost_kernels(only_old: Sequence[str], found: Sequence[Pair]) -> Iterator[Loss]:
    if not found:
        yield Loss(
            Kind.NOTHING_COMPARED, "", "nothing was compared; to choose kernels: diff OLD:KERNEL NEW:KERNEL"
        )
        return
    for kernel in only_old:
        yield Loss(Kind.MISSING_KERNEL, kernel, "the new run has no such kernel")


def _untold(column: Column, before: int) -> Iterator[Loss]:
    """Give what a kernel of the new run does not tell; `before` is how many tests ran on it in the old one."""
    if column.boot:
        rest = f"{count(before, 'test')} did not run" if before else ""
        yield Loss(Kind.NOT_BOOTED, column.name, "; ".join(filter(None, [column.boot.headline, rest])))
    elif column.account and column.account.planned is None:
        yield Loss(Kind.INCOMPLETE, column.name, "its tests were never collected")
    elif column.account and column.account.not_run:
        yield Loss(
            Kind.INCOMPLETE, column.name, f"{column.account.ran} of {column.account.planned} tests ran"
        )


def _no_longer(pair: Pair) -> Iterator[Loss]:
    """Give what was to be looked at on a kernel and is not any more."""
    old, new, name = pair.old, pair.new, pair.new.name
    fewer = (_planned(old) or 0) - (_planned(new) or 0)
    if not new.boot and _planned(new) is not None and fewer > 0:
        yield Loss(
            Kind.FEWER_PLANNED,
            name,
            f"{count(_planned(new) or 0, 'test')} planned, {fewer} fewer than before",
        )
    unheld = ("", NO_BASELINE)
    if old.kernel.baseline not in unheld and new.account and new.tests and new.kernel.baseline in unheld:
        yield Loss(
            Kind.LOST_BASELINE, name, f"was held against {old.kernel.baseline}; now a feature may go unseen"
        )


def _planned(column: Column) -> int | None:
    return column.account.planned if column.account else None


_END: dict[End | None, str] = {
    None: "the run has no end: it was killed, or still goes on",
    End.INTERRUPTED: "the run was interrupted",
    End.ABORTED: "the run was aborted",
}


def _doubts(new: Stored, known: Collection[Kind], chosen: str) -> Iterator[str]:
    """Give why the whole new run may tell less than it seems to, unless its kernels say so already.

    How the run ended is not said of a kernel that was `chosen`: what it lacks itself is known.
    """
    if new.balance.unknown:
        yield new.balance.unknown
    yield from new.balance.gaps
    if not (chosen or new.balance.unknown or Kind.INCOMPLETE in known):
        yield from filter(None, [_END.get(new.balance.how)])


def _notes(old: Stored, new: Stored) -> Iterator[str]:
    for one in (old, new) if old != new else (old,):
        ended = "" if one.balance.unknown else _END.get(one.balance.how, "")
        if lines := [*one.balance.reservations, *filter(None, [ended])]:
            yield f"{one.name}: {'; '.join(lines)}"
    suites = [said(one.manifest.suites) for one in (old, new) if one.manifest]
    if len(set(suites)) > 1:
        yield f"the tests are not the same: {' → '.join(suites)}"


def _baselines(found: Sequence[Pair]) -> Iterator[str]:
    for pair in found:
        names = [column.kernel.baseline for column in (pair.old, pair.new)]
        if all(names) and NO_BASELINE not in names and len({*names}) > 1:
            yield f"{pair.new.name} is held against another baseline: {' → '.join(names)}"


# ---- test by test ----


def _changes(pair: Pair) -> Iterator[Change]:
    """Give what ended differently; a test that should have run and did not is its kernel's loss, not its own."""
    if pair.new.boot:
        return
    before, after = pair.old.tests, pair.new.tests
    not_run = set(pair.new.account.not_run) if pair.new.account else set()
    for test in after | before:
        if test in not_run:
            continue
        if kind := _kind(before.get(test), after.get(test)):
            yield Change(kind, pair.new.name, before.get(test), after.get(test))


def _failing(column: Column) -> Iterator[Change]:
    """Give what ends badly on a kernel with which nothing is compared."""
    for result in column.tests.values():
        if result.words.bad:
            yield Change(Kind.NEWLY_FAILING, column.name, None, result)


def _kind(old: Result | None, new: Result | None) -> Kind | None:
    if new is None:
        return Kind.GONE
    if old is None:
        return Kind.NEWLY_FAILING if new.words.bad else Kind.ADDED
    if old.status is new.status:
        return _kind_of_same(old, new)
    if new.words.bad and rank(new.status) > rank(old.status):
        return Kind.REGRESSION
    if new.status is Status.SKIP:
        return Kind.LOST_FEATURE if _lacks_feature(new) else Kind.NEW_SKIP
    if new.status is Status.PASS:
        return Kind.NO_LONGER_SKIPPED if old.status is Status.SKIP else Kind.FIXED
    return Kind.NEW_KNOWN_ISSUE if _works_no_more(old, new) else Kind.CHANGED


def _kind_of_same(old: Result, new: Result) -> Kind | None:
    """Judge a status that is the same for another reason; its text is for people, and may get better words."""
    if new.words.bad:
        return Kind.REGRESSION if COMPLAINED in new.message and COMPLAINED not in old.message else None
    if new.status is Status.SKIP and _reason(old) != _reason(new):
        return Kind.LOST_FEATURE if _lacks_feature(new) else Kind.OTHER_SKIP
    return Kind.CHANGED if old.reason != new.reason else None


def _reason(result: Result) -> str:
    return result.reason.kind if result.reason else ""


def _lacks_feature(result: Result) -> bool:
    return _reason(result) == "not-implemented"


def _works_no_more(old: Result, new: Result) -> bool:
    return new.status is Status.XFAIL and old.status in (Status.PASS, Status.XPASS, Status.SKIP)


# ---- the run to compare with ----

_LOOK_BACK = 10


def earlier(directory: Path, results: Sequence[Result]) -> Comparison | None:
    """Compare a run with the newest one before it in the same directory that ran half of its tests or more.

    The ten runs before it are looked at: a run of a few tests must not hide what a whole run has to say.
    """
    plan, unknown = read_manifest(directory)
    this = Stored(directory.name, results, plan, unknown=unknown)
    wanted = sum(len(column.tests) for column in this.columns.values())
    before = [other for other in run.runs(directory.parent) if other.name < directory.name]
    for other in islice(reversed(before), _LOOK_BACK):
        found = load(other)
        common = pairs(found.columns.values(), list(this.columns.values()))
        if 2 * sum(len(pair.old.tests.keys() & pair.new.tests.keys()) for pair in common) >= max(1, wanted):
            return compare(found, this)
    return None


# ---- in words ----


class Group(NamedTuple):
    """The same thing on several kernels, for people."""

    kind: Kind
    kernels: list[str]
    change: str
    test: str
    message: str


def groups(comparison: Comparison) -> list[Group]:
    """Return the losses and changes that are worth a line each, the worst first."""
    found: dict[tuple[str, ...], Group] = {}
    for loss in comparison.losses:
        group = Group(loss.kind, [], "", "", loss.text)
        found.setdefault((loss.kind, loss.text), group).kernels.extend(filter(None, [loss.kernel]))
    for change in comparison.changes:
        if change.kind is Kind.ADDED:
            continue
        step = f"{_status(change.old) or 'new'} → {_status(change.new) or 'gone'}"
        message = change.new.headline if change.new else ""
        key = (change.kind, change.result.test, step, message)
        group = Group(change.kind, [], step, change.result.test, message)
        found.setdefault(key, group).kernels.append(change.kernel)
    return sorted(_shortened(list(found.values())), key=lambda group: list(Kind).index(group.kind))


def _status(result: Result | None) -> str:
    """Return a status in a word, of a skip with what is missing."""
    if result and result.status is Status.SKIP:
        return f"skip ({result.reason.kind if result.reason else 'no reason'})"
    return str(result.status) if result else ""


def lost(comparison: Comparison) -> list[Group]:
    """Return of these what belongs to no test of the new run."""
    kinds = {loss.kind for loss in comparison.losses} | {Kind.GONE}
    return [group for group in groups(comparison) if group.kind in kinds]


def _shortened(found: list[Group]) -> list[Group]:
    """Name not all tests that are gone: a folder that was left out must not hide what else there is."""
    gone = [group for group in found if group.kind is Kind.GONE]
    if len(gone) <= _MOST_GONE:
        return found
    kernels = list(dict.fromkeys(kernel for group in gone[_MOST_GONE:] for kernel in group.kernels))
    rest = Group(Kind.GONE, kernels, "", f"and {len(gone) - _MOST_GONE} more tests", "")
    return [*(group for group in found if group.kind is not Kind.GONE), *gone[:_MOST_GONE], rest]


def compared(comparison: Comparison) -> str:
    """Say which kernels were compared."""
    return f"compared: {', '.join(map(str, comparison.pairs)) or 'nothing'}"


def as_text(comparison: Comparison) -> str:
    """Return a line for each loss and change, after one that counts them."""
    lines = [f"{comparison.old} → {comparison.new}: {comparison}"]
    for group in groups(comparison):
        words = filter(None, (" ".join(group.kernels), group.change, group.test))
        lines.append(
            ": ".join(filter(None, (f"{group.kind:<17}  {'  '.join(words)}".rstrip(), group.message)))
        )
    return "\n".join(one_line(line) for line in (*lines, *about(comparison))) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """Return a table of the losses and changes for the summary of a CI job."""
    lines = [f"**{markdown(comparison.old)} → {markdown(comparison.new)}:** {comparison}"]
    rows = [
        [
            str(group.kind) if group.kind in HARMLESS else f"**{group.kind}**",
            *(markdown(cell) for cell in (" ".join(group.kernels), group.change, group.test, group.message)),
        ]
        for group in groups(comparison)
    ]
    if rows:
        head = ["", "kernels", "status", "test", "message"]
        table = [head, ["---"] * len(head), *rows]
        lines += ["", *(f"| {' | '.join(row)} |" for row in table)]
    lines += [f"\n{markdown(line)}" for line in about(comparison)]
    return "\n".join(lines) + "\n"


def about(comparison: Comparison) -> list[str]:
    """Return a line for each thing that one should know to judge a comparison, the pairs first."""
    sides = ((comparison.old, comparison.only_old), (comparison.new, comparison.only_new))
    only = [f"only in {name}: {' '.join(kernels)}" for name, kernels in sides if kernels]
    return [compared(comparison), *only, *comparison.notes]


def as_json(comparison: Comparison) -> str:
    """Return the comparison with every single loss and change."""
    return (
        json.dumps(
            {
                "format": 1,
                "old": comparison.old,
                "new": comparison.new,
                "alarming": comparison.alarming,
                "counts": {kind: comparison.counts[kind] for kind in Kind},
                "pairs": [_pair(pair) for pair in comparison.pairs],
                "only_old": comparison.only_old,
                "only_new": comparison.only_new,
                "notes": comparison.notes,
                "losses": [loss._asdict() for loss in comparison.losses],
                "changes": [_values(change) for change in comparison.changes],
            },
            indent=1,
        )
        + "\n"
    )


def _pair(pair: Pair) -> dict[str, str]:
    old, new = pair.old.kernel, pair.new.kernel
    return {
        "old": old.name,
        "new": new.name,
        "how": pair.how,
        "old_release": old.release,
        "new_release": new.release,
    }


def _values(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "kernel": change.kernel,
        "test": change.result.test,
        "behaviours": change.result.behaviours,
        "old": change.old and change.old.status,
        "new": change.new and change.new.status,
        "message": shortened(change.result.headline),
    }
