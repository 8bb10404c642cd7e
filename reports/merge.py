# SPDX-License-Identifier: GPL-2.0-or-later
"""Several runs made one: those that the jobs of a CI system made, one per kernel or per machine."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, count
from pathlib import Path
from typing import TypeVar

from helpers.contract import manifest
from helpers.contract.manifest import NO_BASELINE, End, Kernel, Machine, Manifest, Suite
from helpers.contract.results import Result, worse, write
from reports import run, text
from reports.stored import Stored, load


class MergeError(Exception):
    """The runs do not make one; the text is a line that says why, and what to do."""


@dataclass(frozen=True)
class Source:
    """A run that is to be merged.

    `word` is what the user called it, `problems` what is wrong with it, a line each, `missing` whether it is not
    there; `names` has what its own directory calls the kernels that got another name.
    """

    word: str
    directory: Path
    stored: Stored
    problems: tuple[str, ...] = ()
    missing: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def suites(self) -> tuple[Suite, ...]:
        """Which tests ran, as far as that is known; none where nothing ran."""
        plan = self.stored.manifest
        return () if self.missing else plan.suites if plan else (Suite(),)


def source(word: str, out: Path) -> Source:
    """Read a run. One that is not there stands for a kernel of its name that came to no test."""
    try:
        directory = run.find(word, out)
    except run.NoSuchRunError as error:
        directory = next((path for path in (out / word, Path(word)) if path.is_dir()), Path(word))
        planned = manifest.read(directory).manifest or Manifest().with_kernel(Kernel(directory.name))
        return Source(word, directory, Stored(directory.name, [], planned), (str(error),), missing=True)
    stored = load(directory)
    problems = [f"{word}/{run.RESULTS}: {note}" for note in stored.left_out]
    if stored.balance.unknown:
        problems.append(f"{word}: {stored.balance.unknown}")
    return Source(word, directory, stored, tuple(problems))


def renamed(sources: Sequence[Source], names: Sequence[str]) -> list[Source]:
    """Return the runs with other names for their kernels, each given as RUN:KERNEL=NAME. Raises MergeError."""
    found = {one.word: one for one in sources}
    for words in names:
        left, _, name = words.rpartition("=")
        word, _, kernel = left.rpartition(":")
        if word not in found or kernel not in found[word].stored.columns or not name:
            raise MergeError(
                f"--rename {words}: say RUN:KERNEL=NAME, with one of the runs and a kernel of it"
            )
        if not run.is_plain(name):
            raise MergeError(
                f"--rename {words}: a kernel's name has letters, digits and . _ + - and is no file's"
            )
        if name in found[word].stored.columns:
            raise MergeError(f"--rename {words}: {word} has another kernel {name}")
        found[word] = _renamed(found[word], kernel, name)
    return list(found.values())


def _renamed(side: Source, kernel: str, name: str) -> Source:
    results = [replace(one, kernel=name) if one.kernel == kernel else one for one in side.stored.results]
    plan = side.stored.manifest
    if plan and kernel in plan.kernels:
        tests = plan.planned.get(kernel)
        others = {other: planned for other, planned in plan.planned.items() if other != kernel}
        kernels = {other: one for other, one in plan.kernels.items() if other != kernel}
        kernels[name] = replace(plan.kernels[kernel], name=name)
        plan = replace(plan, kernels=kernels, planned={**others, name: tests})
    stored = replace(side.stored, results=results, manifest=plan)
    return replace(side, stored=stored, names={**side.names, name: side.names.get(kernel, kernel)})


# ---- what does not belong together ----


def check(sources: Sequence[Source], *, force: bool = False) -> None:
    """Make sure that a column of the merged run is one kernel, and a row one test, unless `force` allows the latter.

    Raises MergeError.
    """
    for one, other in combinations(sources, 2):
        for kernel in one.stored.columns.keys() & other.stored.columns.keys():
            if how := _difference(one.stored.columns[kernel].kernel, other.stored.columns[kernel].kernel):
                first, second = how
                raise MergeError(
                    f"{kernel} is {first} in {one.word} and {second} in {other.word}: these are two kernels; "
                    f"give one another name: --rename {other.word}:{kernel}=NAME"
                )
        if not force and (said := _different_tests(one, other)):
            raise MergeError(f"the runs are of different tests: {said}; to merge them all the same: --force")


def _different_tests(one: Source, other: Source) -> str:
    """Return which tests two runs are of if they are not the same; "" where it is not known of one."""
    first, second = ({suite for suite in side.suites if suite.commit} for side in (one, other))
    if not first or not second or first == second:
        return ""
    return f"{manifest.said(one.suites)} in {one.word}, {manifest.said(other.suites)} in {other.word}"


_IDENTITY: tuple[tuple[str, str], ...] = (
    ("hostname", "of machine {}"),
    ("release", "{}"),
    ("image", "image {:.12}"),
    ("config", "configuration {:.12}"),
)
"""What tells two kernels of one name apart, if it is known of both."""


def _difference(one: Kernel, other: Kernel) -> tuple[str, str] | None:
    for name, words in _IDENTITY:
        first, second = getattr(one, name), getattr(other, name)
        if first and second and first != second:
            return words.format(first), words.format(second)
    return None


# ---- the merged run ----


def merge(sources: Sequence[Source], target: Path) -> Stored:
    """Fill a new run's directory with the results and the plans of others and the files of their kernels; return it.

    Of two results of a test on one kernel the worse counts: no failure goes because a test passed elsewhere.
    Raises OSError; MergeError if there is a run.
    """
    target.mkdir(parents=True, exist_ok=True)
    if (target / manifest.FILE).exists() and not (target / run.RESULTS).exists():
        raise MergeError(f"{target} holds a {manifest.FILE} already; name another directory")
    results = _worst(one for side in sources for one in side.stored.results)
    try:
        write(target / run.RESULTS, results)
    except FileExistsError:
        raise MergeError(f"{target} holds a run already, and no run is overwritten; name another") from None
    if plan := _plan(sources, results):
        run.replace_file(target / manifest.FILE, manifest.dump(plan))
    for side in sources:
        for kernel in side.stored.columns:
            own = run.kernel_directory(side.directory, side.names.get(kernel, kernel))
            if own.is_dir():
                _copy(own, run.kernel_directory(target, kernel))
    return Stored(target.name, results, plan)


def _worst(results: Iterable[Result]) -> list[Result]:
    found: dict[tuple[str, str], Result] = {}
    for result in results:
        key = result.kernel, result.test
        found[key] = worse(found.get(key, result), result)
    return list(found.values())


def _plan(sources: Sequence[Source], results: Sequence[Result]) -> Manifest | None:
    """Return what all runs planned together; None if none of them says what it had planned."""
    if not any(side.stored.manifest for side in sources):
        return None
    plans = [_filled(side.stored.manifest or _guessed(side.stored)) for side in sources]
    suites = tuple(dict.fromkeys(suite for side in sources for suite in side.suites))
    there = [plan for side, plan in zip(sources, plans, strict=True) if not side.missing]
    joined = Manifest(
        suite=suites[0] if len(suites) == 1 else Suite(),
        mixed=suites if len(suites) > 1 else (),
        gaps=tuple(dict.fromkeys(chain.from_iterable(map(_gaps, sources)))),
        machine=_common((plan.machine for plan in there), Machine()),
        started=min(filter(None, (plan.started for plan in plans)), default=""),
        ended=max(plan.ended for plan in plans),
        how=End.COMPLETE,
    )
    for plan in plans:
        for name, kernel in plan.kernels.items():
            joined = joined.with_kernel(_united(joined.kernels.get(name, kernel), kernel))
        planned = {name: _union(joined.planned.get(name), tests) for name, tests in plan.planned.items()}
        joined = replace(
            joined, planned=joined.planned | planned, behaviours=joined.behaviours | plan.behaviours
        )
    if any(side.missing or not side.stored.manifest for side in sources):
        return replace(joined, how=None)
    whole = all(plan.how is not None for plan in plans) and manifest.balance(joined, results).complete
    return joined if whole else replace(joined, how=min((plan.how for plan in plans), key=_ENDS.index))


def _filled(plan: Manifest) -> Manifest:
    """Return a plan in which a kernel that collected no tests should have run those of the others."""
    asked = manifest.union(plan.planned)
    return replace(
        plan, planned={name: asked if tests is None else tests for name, tests in plan.planned.items()}
    )


def _gaps(side: Source) -> Iterator[str]:
    """Give what a run lacks that no other can make up for, as nobody knows which tests these are."""
    yield from side.problems
    if plan := side.stored.manifest:
        yield from plan.gaps
        for kernel, tests in plan.planned.items():
            if tests is None and not side.missing:
                yield f"{kernel}: its tests were never collected in {side.word}"
        if plan.how in (None, End.ABORTED) and not side.stored.balance.lacking:
            yield f"{side.word}: {'the run was killed' if plan.how is None else 'the run was aborted'}"


def _united(one: Kernel, other: Kernel) -> Kernel:
    """Return all that is known of a kernel; it is held against a baseline if all its tests were, and by the same."""
    known = {name: value or getattr(other, name) for name, value in vars(one).items()}
    ran = [kernel.baseline for kernel in (one, other) if kernel.baseline]
    return Kernel(**known | {"baseline": _common(ran, NO_BASELINE)} if ran else known)


def _guessed(stored: Stored) -> Manifest:
    """Return the least that a run without a manifest had planned: what it has results of. How it ended nobody knows."""
    made = Manifest()
    for name, column in stored.columns.items():
        made = made.with_kernel(column.kernel)
        if column.tests:
            made = made.with_tests(name, {test: one.behaviours for test, one in column.tests.items()})
    return made


_ENDS = (None, End.INTERRUPTED, End.ABORTED, End.COMPLETE)
"""How a run may have ended, the worst first."""

T = TypeVar("T")


def _common(values: Iterable[T], otherwise: T) -> T:
    found = list(values)
    return found[0] if all(value == found[0] for value in found) else otherwise


def _union(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return one or other
    return tuple(dict.fromkeys((*one, *other)))


def _copy(source: Path, target: Path) -> None:
    """Copy a kernel's files; where another run has the same log this one gets the next number: none is lost."""

    def place(old: str, new: str) -> str:
        where = Path(new)
        numbered = (where.with_name(f"{where.stem}-{number}{where.suffix}") for number in count(2))
        if where.suffix == ".log":
            where = next(path for path in chain([where], numbered) if not path.exists())
        return shutil.copy2(old, str(where))

    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=place)


# ---- what there is to say ----


def missing(sources: Sequence[Source], merged: Stored) -> list[str]:
    """Return a line for each run that is not there, and each kernel that has not run what was planned."""
    lines = [*merged.balance.gaps] or [line for side in sources for line in side.problems]
    for name, column in merged.columns.items():
        if column.boot:
            lines.append(f"{name}: no test ran: {column.boot.headline}")
        elif column.account and column.account.planned is None:
            lines.append(f"{name}: no test ran, and nothing was planned")
        elif column.account and column.account.not_run:
            lines.append(f"{name}: {column.account.ran} of {column.account.planned} tests ran")
    return lines if lines or merged.balance.complete else merged.balance.reservations


def differing(sources: Sequence[Source]) -> list[str]:
    """Return a line for each kernel of which two runs say something else about the same tests."""
    lines = []
    for one, other in combinations(sources, 2):
        for kernel in one.stored.columns.keys() & other.stored.columns.keys():
            tests, others = one.stored.columns[kernel].tests, other.stored.columns[kernel].tests
            number = sum(
                tests[test].status is not others[test].status for test in tests.keys() & others.keys()
            )
            if number:
                ended = f"{text.count(number, 'test')} of {kernel} ended differently in {one.word} and {other.word}"
                lines.append(f"{ended}: the worse counts")
    return lines
