# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of a run: what was planned, on which kernels, and how it ended; `manifest.json` beside its results.

It is written before anything else, again when it is known which tests a kernel has, and closed last: a run that was
killed has no end. What is missing is what was planned and has no result.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from helpers.contract.results import NO_TEST, Result
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


@dataclass(frozen=True)
class Machine:
    """Where the run took place: architecture, number of processors, and what runs its VMs: kvm, tcg or none."""

    architecture: str = ""
    processors: int = 0
    kind: str = ""


Planned = dict[str, tuple[str, ...] | None]
"""The node ids that each kernel collected; None for one that never did."""


@dataclass(frozen=True)
class Manifest:
    """One run. `started` and `ended` are ISO 8601 in UTC; without `how` the run was killed, or still goes on.

    `behaviours` has those that each planned test verifies, by node id.
    """

    kernels: dict[str, Kernel] = field(default_factory=dict)
    planned: Planned = field(default_factory=dict)
    behaviours: dict[str, tuple[str, ...]] = field(default_factory=dict)
    suite: Suite = Suite()
    machine: Machine = Machine()
    started: str = ""
    ended: str = ""
    how: End | None = None

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
    """What a run has done of what it should have; `unheld` are the kernels that are held against no baseline."""

    kernels: dict[str, Account]
    how: End | None
    unheld: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was planned ran, and the run came to an end."""
        accounts = self.kernels.values()
        return self.how is not None and not any(one.not_run or one.planned is None for one in accounts)

    @property
    def headline(self) -> str:
        """Say it: `complete`, or `incomplete: 13 of 1954 tests ran`, and which kernels may lack what they like."""
        unheld = [f"no baseline: what {' '.join(self.unheld)} lacks is no failure"] if self.unheld else []
        return "; ".join([self._headline, *unheld])

    @property
    def _headline(self) -> str:
        if self.complete:
            return COMPLETE
        known = [one.planned for one in self.kernels.values() if one.planned is not None]
        ran = sum(one.ran for one in self.kernels.values())
        planned = str(sum(known)) if known else "an unknown number of"
        return f"incomplete: {ran} of {planned} tests ran"


COMPLETE = "complete"
"""The headline of a run of which nothing else is to be said."""
NO_MANIFEST = "no manifest: it is not known whether all tests ran"
"""The headline of a run of a former time."""


def balance(manifest: Manifest, results: Iterable[Result]) -> Balance:
    """Return what is missing. A kernel that collected no tests should have run those of the others."""
    ran: dict[str, dict[str, bool]] = {}
    for result in results:
        if not result.test.startswith(NO_TEST):
            ran.setdefault(result.kernel, {})[result.test] = result.status is not Status.NOT_RUN
    asked = _union(manifest.planned)
    return Balance(
        {
            kernel: _account(asked if tests is None else tests, ran.get(kernel, {}))
            for kernel, tests in manifest.planned.items()
        },
        manifest.how,
        tuple(name for name, kernel in manifest.kernels.items() if kernel.baseline == NO_BASELINE),
    )


def _account(planned: Sequence[str] | None, ran: Mapping[str, bool]) -> Account:
    if planned is None:
        return Account(None, sum(ran.values()))
    not_run = tuple(test for test in planned if not ran.get(test))
    return Account(len(planned), len(planned) - len(not_run), not_run)


def _union(planned: Planned) -> tuple[str, ...] | None:
    """Return the tests of all kernels, each once; None if no kernel collected any."""
    known = [tests for tests in planned.values() if tests is not None]
    return tuple(dict.fromkeys(test for tests in known for test in tests)) if known else None


_WHY = {
    None: "the run was killed",
    End.INTERRUPTED: "the run was interrupted",
    End.ABORTED: "the run was aborted",
    End.COMPLETE: "its kernel came to no tests",
}


def completed(manifest: Manifest, results: Sequence[Result]) -> list[Result]:
    """Return the results, and behind them one with the status NOT_RUN for each test that has none."""
    there = {(result.kernel, result.test) for result in results}
    return [
        *results,
        *(
            Result(
                kernel=kernel,
                release=manifest.kernels[kernel].release,
                accel=manifest.kernels[kernel].accel,
                test=test,
                behaviours=list(manifest.behaviours.get(test, ())),
                status=Status.NOT_RUN,
                message=f"not run: {_WHY[manifest.how]}",
            )
            for kernel, account in balance(manifest, results).kernels.items()
            for test in account.not_run
            if (kernel, test) not in there
        ),
    ]


# ---- the stored form ----


def dump(manifest: Manifest) -> bytes:
    """Return the stored form: what all kernels have in common stands there once."""
    values = asdict(manifest)
    common = _union(manifest.planned) or ()
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


def read(directory: Path) -> Manifest | None:
    """Return the manifest of a run's directory; None if there is none, or none that can be read."""
    try:
        values = json.loads((directory / FILE).read_bytes())
        kernels = [_made(Kernel, one) for one in values["kernels"]]
        return Manifest(
            kernels={kernel.name: kernel for kernel in kernels},
            planned=dict(_planned(values["planned"], [kernel.name for kernel in kernels])),
            behaviours={
                str(test): tuple(map(str, named)) for test, named in values["planned"]["tests"].items()
            },
            suite=_made(Suite, values.get("suite", {})),
            machine=_made(Machine, values.get("machine", {})),
            started=str(values.get("started", "")),
            ended=str(values.get("ended", "")),
            how=End(values["how"]) if values.get("how") else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return an object of a data class, of those values that it knows."""
    return kind(**{one.name: values[one.name] for one in fields(kind) if one.name in values})


def _planned(
    values: Mapping[str, Any], kernels: Iterable[str]
) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    common = [str(test) for test in values["tests"]]
    for kernel in kernels:
        own = values["kernels"].get(kernel)
        without = set(own["without"]) if own else set()
        yield kernel, tuple(test for test in common if test not in without) if own is not None else None
