# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of a run: what was planned, on which kernels, and how it ended; `manifest.json` beside its results.

It is written before anything else, again when it is known which tests a kernel has, and closed last: a run that was
killed has no end. What is missing is what was planned and has no result.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, get_origin, get_type_hints

from helpers.contract.results import NO_BOOT, NO_TEST, NOT_ENDED, Result
from helpers.contract.status import Status

FILE = "manifest.json"
FORMAT = 1
"""Version of the stored form."""


NO_BASELINE = "none"
"""The baseline of a kernel that is held against nothing."""


class End(StrEnum):
    """How a run came to its end."""

    COMPLETE = "complete"
    """By itself. A kernel may have lost tests all the same."""
    INTERRUPTED = "interrupted"
    """By a person or a signal."""
    ABORTED = "aborted"
    """Before its time: -x, --maxfail, an error of the harness."""


@dataclass(frozen=True)
class Kernel:
    """What tells a kernel from any other; "" is what is not known.

    `name` is its label in the results, `release` and `version` what uname -r and -v say, `packages` the versions of
    the packages that it came in by their names, `image` and `config` the SHA-256 of the boot image and of .config,
    `path` what the command line said, `accel` kvm, tcg or none, `baseline` the name of what it is held against
    (NO_BASELINE: nothing), and `hostname` the machine's, where the running kernel was tested.
    """

    name: str
    release: str = ""
    version: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    image: str = ""
    config: str = ""
    architecture: str = ""
    path: str = ""
    accel: str = ""
    baseline: str = ""
    hostname: str = ""


@dataclass(frozen=True)
class Suite:
    """Which tests these are: the commit of the checkout, "" if it is none, and whether it was changed."""

    commit: str = ""
    changed: bool = False

    def __str__(self) -> str:
        """Say which, for people."""
        commit = f"commit {self.commit[:12]}" if self.commit else "an unknown commit"
        return f"{commit}, changed" if self.changed else commit


@dataclass(frozen=True)
class Machine:
    """Where the run took place: architecture, number of processors, and what runs its VMs: kvm, tcg or none."""

    architecture: str = ""
    processors: int = 0
    kind: str = ""


def said(suites: Iterable[Suite]) -> str:
    """Say which tests these are, for people."""
    return " and ".join(map(str, suites))


Planned = dict[str, tuple[str, ...] | None]
"""The node ids that each kernel collected; None for one that never did."""


@dataclass(frozen=True)
class Manifest:
    """One run. `started` and `ended` are ISO 8601 in UTC; without `how` the run was killed, or still goes on.

    `behaviours` has those that each planned test verifies, by node id. `mixed` has the tests of the runs that were
    merged although their tests were not the same; `suite` says nothing then. `gaps` has a line for each thing that a
    merged run lacks, whatever else it has.
    """

    kernels: dict[str, Kernel] = field(default_factory=dict)
    planned: Planned = field(default_factory=dict)
    behaviours: dict[str, tuple[str, ...]] = field(default_factory=dict)
    suite: Suite = Suite()
    mixed: tuple[Suite, ...] = ()
    gaps: tuple[str, ...] = ()
    machine: Machine = Machine()
    started: str = ""
    ended: str = ""
    how: End | None = None

    @property
    def suites(self) -> tuple[Suite, ...]:
        """Which tests these are, in a merged run perhaps several."""
        return self.mixed or (self.suite,)

    def with_kernel(self, kernel: Kernel) -> "Manifest":
        """Return it with a kernel more, or with another identity of one."""
        planned = self.planned | {kernel.name: self.planned.get(kernel.name)}
        return replace(self, kernels=self.kernels | {kernel.name: kernel}, planned=planned)

    def with_tests(self, kernel: str, tests: Mapping[str, Iterable[str]]) -> "Manifest":
        """Return it with the tests of a kernel and their behaviours, which another VM of it is to have too."""
        if self.planned.get(kernel) is not None:
            return self
        verified = {test: tuple(behaviours) for test, behaviours in tests.items()}
        return replace(
            self,
            planned={**self.planned, kernel: tuple(verified)},
            behaviours={**verified, **self.behaviours},
        )


# ---- what is missing ----


@dataclass(frozen=True)
class Account:
    """What became of a kernel's plan: planned = ran + not run, unless `planned` is None, which nobody knows then."""

    planned: int | None
    ran: int
    not_run: tuple[str, ...] = ()


@dataclass(frozen=True)
class Balance:
    """What a run has done of what it should have.

    `gaps` are lines that say what else is missing, or what is too much; `doubts` say why tests that ran may tell less
    than they seem to. Where nobody knows what was planned `unknown` says why.
    """

    kernels: dict[str, Account] = field(default_factory=dict)
    how: End | None = None
    gaps: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that was planned ran, nothing else did, and the run came to its end."""
        return self.how is End.COMPLETE and not (self.lacking or self.gaps or self.unknown)

    @property
    def lacking(self) -> bool:
        """Whether a test that was planned did not run."""
        return any(one.not_run or one.planned is None for one in self.kernels.values())

    @property
    def reservations(self) -> list[str]:
        """What one must know before one believes the results; empty if there is nothing."""
        found = [] if self.complete else [self.unknown or self._incomplete]
        return [*found, *(self.gaps if self.unknown or self.lacking else self.gaps[1:]), *self.doubts]

    @property
    def headline(self) -> str:
        """Say it: `complete`, or `incomplete: 13 of 1954 tests ran`, and what else there is."""
        return "; ".join([*([COMPLETE] if self.complete else []), *self.reservations])

    @property
    def _incomplete(self) -> str:
        known = [one.planned for one in self.kernels.values() if one.planned is not None]
        ran = sum(one.ran for one in self.kernels.values())
        planned = str(sum(known)) if known else "an unknown number of"
        if self.lacking:
            return f"incomplete: {ran} of {planned} tests ran"
        if self.gaps:
            return f"incomplete: {self.gaps[0]}"
        return f"incomplete: {_WHY[self.how]} after all {planned} tests"


COMPLETE = "complete"
"""The headline of a run of which nothing else is to be said."""
_UNKNOWN = "it is not known whether all tests ran"
NO_MANIFEST = f"no manifest: {_UNKNOWN}"
"""The headline of a run without a manifest."""


def balance(manifest: Manifest, results: Iterable[Result]) -> Balance:
    """Return what is missing. A kernel that collected no tests should have run those of the others."""
    ran: dict[str, dict[str, bool]] = {}
    for result in results:
        if not result.test.startswith(NO_TEST):
            ran.setdefault(result.kernel, {})[result.test] = result.status is not Status.NOT_RUN
    asked = union(manifest.planned)
    return Balance(
        {
            kernel: _account(asked if tests is None else tests, ran.get(kernel, {}))
            for kernel, tests in manifest.planned.items()
        },
        manifest.how,
        (*manifest.gaps, *_gaps(manifest, ran)),
        tuple(_doubts(manifest)),
    )


def _gaps(manifest: Manifest, ran: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for kernel, tests in manifest.planned.items():
        if tests == ():
            yield f"{kernel}: no test was planned"
    strangers = sum(len(_strangers(manifest, kernel, tests)) for kernel, tests in ran.items())
    if strangers == 1:
        yield "1 result is of a test that was not planned"
    elif strangers:
        yield f"{strangers} results are of tests that were not planned"


def _strangers(manifest: Manifest, kernel: str, tests: Iterable[str]) -> set[str]:
    """Return those of a kernel's results that nobody planned; a file that could not be collected is none of them."""
    planned = manifest.planned.get(kernel, ())
    return {test for test in tests if "::" in test} - set(planned) if planned is not None else set()


def _doubts(manifest: Manifest) -> Iterator[str]:
    if manifest.mixed:
        yield f"the tests are not the same everywhere: {said(manifest.mixed)}"
    if unheld := [name for name, kernel in manifest.kernels.items() if kernel.baseline == NO_BASELINE]:
        yield f"no baseline: what {' '.join(unheld)} lacks is no failure"


def _account(planned: Sequence[str] | None, ran: Mapping[str, bool]) -> Account:
    if planned is None:
        return Account(None, sum(ran.values()))
    not_run = tuple(test for test in planned if not ran.get(test))
    return Account(len(planned), len(planned) - len(not_run), not_run)


def union(planned: Planned) -> tuple[str, ...] | None:
    """Return the tests of all kernels, each once; None if no kernel collected any."""
    known = [tests for tests in planned.values() if tests is not None]
    return tuple(dict.fromkeys(test for tests in known for test in tests)) if known else None


_WHY = {
    None: "the run was killed",
    End.INTERRUPTED: "the run was interrupted",
    End.ABORTED: "the run was aborted",
    End.COMPLETE: "the run ended without a result of it",
}


def _why(manifest: Manifest, kernel: str) -> str:
    collected = manifest.planned[kernel] is not None
    return (
        _WHY[manifest.how] if collected or manifest.how is not End.COMPLETE else "its kernel came to no tests"
    )


def completed(manifest: Manifest, results: Sequence[Result]) -> list[Result]:
    """Return the results, and behind them one with the status NOT_RUN for each test that has none.

    Where nobody knows which tests these are, or none is missing and the run is incomplete all the same, one for each
    kernel stands for them: no format may look whole.
    """
    there = {(result.kernel, result.test) for result in results}
    found = balance(manifest, results)
    made = [
        _not_run(manifest, kernel, test, _why(manifest, kernel), manifest.behaviours.get(test, ()))
        for kernel, account in found.kernels.items()
        for test in account.not_run
        if (kernel, test) not in there
    ]
    seen = made or any(result.status is Status.NOT_RUN for result in results)
    made += [
        _not_run(manifest, kernel, NOT_ENDED, found.reservations[0])
        for kernel, account in found.kernels.items()
        if (account.planned is None or not (found.complete or seen)) and (kernel, NO_BOOT) not in there
    ]
    return [*results, *made]


def _not_run(manifest: Manifest, kernel: str, test: str, why: str, behaviours: Iterable[str] = ()) -> Result:
    known = manifest.kernels[kernel]
    return Result(
        kernel=kernel,
        release=known.release,
        accel=known.accel,
        test=test,
        behaviours=list(behaviours),
        status=Status.NOT_RUN,
        message=f"not run: {why}",
    )


# ---- the stored form ----


def dump(manifest: Manifest) -> bytes:
    """Return the stored form: what all kernels have in common stands there once."""
    values = asdict(manifest)
    common = union(manifest.planned) or ()
    behaviours = values.pop("behaviours")
    values["planned"] = {
        "tests": {test: behaviours.get(test, ()) for test in common},
        "kernels": {kernel: _without(common, tests) for kernel, tests in manifest.planned.items()},
    }
    values["kernels"] = list(values["kernels"].values())
    if manifest.how is None:
        del values["how"]
    return json.dumps({"format": FORMAT, **values}, indent=1).encode() + b"\n"


def _without(common: Iterable[str], tests: Sequence[str] | None) -> dict[str, list[str]] | None:
    if tests is None:
        return None
    own = set(tests)
    return {"without": [test for test in common if test not in own]}


class ManifestError(ValueError):
    """There is a manifest, and it can not be read; the text says why."""


class Reading(NamedTuple):
    """What `read` found: a manifest, or a line that says why nothing is known of what was planned."""

    manifest: Manifest | None
    unknown: str = ""

    def balance(self, results: Iterable[Result], gaps: Iterable[str] = ()) -> Balance:
        """Return what is missing, as far as that is known; `gaps` are lines about what else there is not."""
        if self.manifest is None:
            return Balance(gaps=tuple(gaps), unknown=self.unknown)
        return balance(replace(self.manifest, gaps=(*self.manifest.gaps, *gaps)), results)


def read(directory: Path) -> Reading:
    """Read the manifest of a run's directory. One that is damaged, or of a newer version, counts as none."""
    try:
        return Reading(_parsed((directory / FILE).read_bytes()))
    except FileNotFoundError:
        return Reading(None, NO_MANIFEST)
    except OSError as error:
        return Reading(None, f"{FILE}: {error.strerror}: {_UNKNOWN}")
    except ManifestError as error:
        return Reading(None, f"{FILE}: {error}: {_UNKNOWN}")


def _parsed(content: bytes) -> Manifest:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise ManifestError("not JSON") from None
    _check("manifest", values, dict)
    if type(values.get("format")) is not int or values["format"] != FORMAT:
        raise ManifestError(f"format {values.get('format')!r:.20}, and {FORMAT} is the one that is known")
    kernels = [_kernel(f"kernels[{number}]", one) for number, one in _each("kernels", values)]
    planned = _check("planned", values.get("planned"), dict)
    tests = _check("planned.tests", planned.get("tests"), dict)
    own = _check("planned.kernels", planned.get("kernels"), dict)
    names = [kernel.name for kernel in kernels]
    if odd := {*names} ^ own.keys() or {name for name in names if names.count(name) > 1}:
        raise ManifestError(f"planned.kernels and kernels do not agree about {min(odd)!r:.40}")
    how = values.get("how")
    if how is not None and how not in list(map(str, End)):
        raise ManifestError(f"how is {how!r:.40}")
    return Manifest(
        kernels={kernel.name: kernel for kernel in kernels},
        planned={kernel.name: _planned(tests, kernel.name, own[kernel.name]) for kernel in kernels},
        behaviours={test: _texts(f"planned.tests[{test!r:.80}]", named) for test, named in tests.items()},
        suite=_made(Suite, "suite", values.get("suite", {})),
        mixed=tuple(_made(Suite, f"mixed[{number}]", one) for number, one in _each("mixed", values)),
        gaps=_texts("gaps", values.get("gaps", [])),
        machine=_made(Machine, "machine", values.get("machine", {})),
        started=_check("started", values.get("started", ""), str),
        ended=_check("ended", values.get("ended", ""), str),
        how=End(how) if how else None,
    )


def _check(name: str, value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise ManifestError(f"{name} is {value!r:.40}")
    return value


def _each(name: str, values: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    return enumerate(_check(name, values.get(name, []), list))


def _texts(name: str, values: Any) -> tuple[str, ...]:
    return tuple(_check(name, value, str) for value in _check(name, values, list))


def _kernel(name: str, values: Any) -> Kernel:
    kernel: Kernel = _made(Kernel, name, values)
    for package, version in kernel.packages.items():
        _check(f"{name}.packages[{package!r:.40}]", version, str)
    return kernel


def _made(kind: type[Any], name: str, values: Any) -> Any:
    """Return an object of a data class, of those values that it knows."""
    _check(name, values, dict)
    types = get_type_hints(kind)
    for one in fields(kind):
        if one.name in values:
            _check(f"{name}.{one.name}", values[one.name], get_origin(types[one.name]) or types[one.name])
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ManifestError(f"{name} has no {one.name}")
    return kind(**{one.name: values[one.name] for one in fields(kind) if one.name in values})


def _planned(tests: Iterable[str], kernel: str, own: Any) -> tuple[str, ...] | None:
    if own is None:
        return None
    name = f"planned.kernels[{kernel!r:.40}]"
    without = set(_texts(f"{name}.without", _check(name, own, dict).get("without")))
    return tuple(test for test in tests if test not in without)
