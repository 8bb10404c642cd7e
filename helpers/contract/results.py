# SPDX-License-Identifier: GPL-2.0-or-later
"""The stored result: one test on one kernel, one JSON object a line. All formats are derived from it."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from helpers.contract.status import VOCABULARY, Status, Words, rank

NO_TEST = "vm::"
"""What stands for a test where there is none begins so."""
NO_BOOT = f"{NO_TEST}boot"
"""Stands for a test in the results of a kernel that did not come up."""
NOT_ENDED = f"{NO_TEST}run"
"""Stands for the rest of a run of which nobody knows what it was."""
HARNESS = f"{NO_TEST}harness"
"""Stands for a test where the harness itself failed, and no test was running."""

MUST_HAVE = "must have it (--baseline none asks for nothing)"
"""What the message of a test says that failed because the kernel has lost a feature."""

COMPLAINED = "the kernel complained while this test ran:"
"""What the message of a test says that failed because the kernel told of a defect by itself; its lines follow."""

FORMAT = 1
"""Version of the stored form. It is in every line, so that files can be cut and joined with text tools."""

EVIDENCE = ("where", "traceback", "output", "kernel_log")
"""The fields that only a bad result has."""


@dataclass(frozen=True)
class Reason:
    """Why a test was skipped, or which known issue it is held against."""

    kind: str
    text: str


@dataclass(frozen=True)
class Result:
    """One test on one kernel.

    `kernel` is the catalogue's name, `release` what uname -r says, `accel` kvm, tcg or none, `test` the node
    id, `duration` is in seconds, `started` ISO 8601 in UTC. `console` holds the last lines of a VM that was
    lost, and `allure` what the test marked for Allure. `new_features` names what answered while the test ran
    although the kernel's baseline does not know it.

    The evidence of a bad result: `where` is the place (`file:line`) in the suite at which it failed, `traceback` what
    pytest shows of it, `output` what the test wrote, `kernel_log` what the kernel's log said meanwhile.
    """

    kernel: str
    release: str
    accel: str
    test: str
    behaviours: list[str]
    status: Status
    reason: Reason | None = None
    message: str = ""
    duration: float = 0.0
    started: str = ""
    new_features: list[str] = field(default_factory=list)
    console: str | None = None
    allure: dict[str, Any] | None = field(default=None, repr=False)
    where: str = ""
    traceback: str = field(default="", repr=False)
    output: str = field(default="", repr=False)
    kernel_log: str = field(default="", repr=False)

    @property
    def words(self) -> Words:
        """This result's status in the words of each format."""
        return VOCABULARY[self.status]

    @property
    def begin(self) -> datetime | None:
        """When the test began, in UTC; None if the line says nothing that is a time."""
        try:
            return datetime.fromisoformat(self.started).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    @property
    def not_run(self) -> bool:
        """Whether it stands for a test that was planned and did not run."""
        return self.status is Status.NOT_RUN

    @property
    def headline(self) -> str:
        """The first line of the reason or the message; empty for a test that simply passed."""
        text = f"{self.reason.kind}: {self.reason.text}" if self.reason else self.message
        return text.strip().partition("\n")[0]


def kernels(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each kernel, older kernels first."""
    table: dict[str, list[Result]] = {}
    for result in results:
        table.setdefault(result.kernel, []).append(result)
    return {kernel: table[kernel] for kernel in in_order(table)}


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of kernels, older kernels first."""
    return sorted(names, key=_by_number)


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that puts 6.2 before 6.12, and numbers before words."""
    words = re.findall(r"\d{1,9}|\D", name)
    return [(int(word), "") if word.isdecimal() else (10**9, word) for word in words]


# ---- writing ----


def dump(result: Result) -> bytes:
    """Return one line of the stored form."""
    values = asdict(result)
    for optional in ("new_features", "console", "allure", *EVIDENCE):
        if not values[optional] and (optional in EVIDENCE or values[optional] != ""):
            del values[optional]
    return json.dumps({"format": FORMAT, **values}).encode() + b"\n"


class Journal:
    """Appends results to a file as they arrive, and keeps them.

    A line that cannot be written (full disk, dead file system) is kept too and tried again with the next one;
    a line that was cut off by the failure is taken back first, so that the file holds whole lines only.
    `warn` gets one line of text when writing fails for the first time.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """Create `path`; raises FileExistsError if it is there already, OSError if it cannot be made."""
        self.path = path
        self._results: dict[tuple[str, str], Result] = {}
        self._warn = warn
        self._file = path.open("xb", buffering=0)
        self._size = 0
        self._unwritten: list[bytes] = []
        self._error: OSError | None = None

    def add(self, result: Result) -> None:
        """Keep `result` and write it."""
        key = result.kernel, result.test
        self._results[key] = worse(self._results.get(key, result), result)
        self._unwritten.append(dump(result))
        self._write()

    @property
    def results(self) -> list[Result]:
        """All results so far, as `read` would return them."""
        return list(self._results.values())

    def close(self) -> str:
        """Write what is left; return a line on what could not be written, "" if there is none."""
        self._write()
        with suppress(OSError):
            self._file.close()
        if not self._unwritten:
            return ""
        count = f"{len(self._unwritten)} of {len(self._results)} results"
        return f"{count} are not in {self.path} ({_strerror(self._error)})"

    def _write(self) -> None:
        try:
            while self._unwritten:
                self._append(self._unwritten[0])
                del self._unwritten[0]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._size)
                self._file.seek(self._size)
            if self._error is None:
                why = f"cannot write {self.path}: {_strerror(error)}"
                self._warn(f"{why}; the run goes on, its results stay in memory")
            self._error = error

    def _append(self, line: bytes) -> None:
        rest = line
        while rest:
            rest = rest[self._file.write(rest) :]
        self._size += len(line)


def write(path: Path, results: Iterable[Result]) -> None:
    """Write a file of results at once. Raises OSError."""
    with path.open("xb") as file:
        file.writelines(map(dump, results))


def _strerror(error: OSError | None) -> str:
    return os.strerror(error.errno) if error and error.errno else str(error)


# ---- reading ----


class Reading(NamedTuple):
    """What `read` found: the results, and one line of text for each thing that was left out."""

    results: list[Result]
    left_out: list[str]


class BadLineError(ValueError):
    """A line that is not a stored result; its text says what is wrong with it."""


_TYPES: dict[str, tuple[type, ...]] = {
    "kernel": (str,),
    "release": (str,),
    "accel": (str,),
    "test": (str,),
    "behaviours": (list,),
    "status": (str,),
    "reason": (dict, type(None)),
    "message": (str,),
    "duration": (int, float),
    "started": (str,),
    "new_features": (list,),
    "console": (str, type(None)),
    "allure": (dict, type(None)),
    **dict.fromkeys(EVIDENCE, (str,)),
}
_DEFAULTS: dict[str, Any] = {"release": "", "accel": "", "behaviours": [], "new_features": []}
_MOST_NOTES = 10
_LONGEST = 1e8
"""Seconds; more than three years."""


def read(path: Path) -> Reading:
    """Read stored results: whatever a crash, a newer version or a text editor has left in the file.

    When a test appears twice on a kernel the worse line counts: a VM may die just after a test was reported, and files
    may have been joined. Raises OSError if the file cannot be read.
    """
    found: dict[tuple[str, str], Result] = {}
    bad: list[str] = []
    odd: Counter[str] = Counter()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = _decode(line)
                result = _result(values)
            except BadLineError as error:
                bad.append(f"line {number} left out: {error}")
                continue
            odd.update(_oddities(values))
            key = result.kernel, result.test
            found[key] = worse(found.get(key, result), result)
    return Reading(
        list(found.values()), [*_first(bad), *(f"{what} ({count} lines)" for what, count in odd.items())]
    )


def worse(one: Result, other: Result) -> Result:
    """Return which of two results of a test on a kernel counts, the later of two that are as bad."""
    return other if rank(other.status) >= rank(one.status) else one


def _first(notes: list[str]) -> Iterator[str]:
    yield from islice(notes, _MOST_NOTES)
    if len(notes) > _MOST_NOTES:
        yield f"{len(notes) - _MOST_NOTES} more lines left out"


def _decode(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line.decode(errors="replace"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadLineError("not JSON" if line.endswith(b"\n") else "cut off") from None
    if not isinstance(values, dict):
        raise BadLineError("not an object")
    return values


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _result(values: dict[str, Any]) -> Result:
    known = _DEFAULTS | {name: values[name] for name in _TYPES if name in values}
    for name in ("kernel", "test", "status"):
        if name not in known:
            raise BadLineError(f"no {name}")
    for name, value in known.items():
        if not isinstance(value, _TYPES[name]):
            raise BadLineError(f"{name} is {value!r:.40}")
    if known["status"] not in set(Status):
        raise BadLineError(f"unknown status {known['status']!r:.40}")
    reason = known.get("reason")
    return Result(
        **known
        | {
            "status": Status(known["status"]),
            "duration": min(max(0.0, known.get("duration", 0.0)), _LONGEST),
            "reason": Reason(str(reason.get("kind", "")), str(reason.get("text", ""))) if reason else None,
            "behaviours": [str(behaviour) for behaviour in known["behaviours"]],
            "new_features": [str(feature) for feature in known["new_features"]],
        }
    )


def _oddities(values: dict[str, Any]) -> Iterator[str]:
    if values.get("format") != FORMAT:
        yield f"format {values.get('format')!r:.20} read as format {FORMAT}"
    for name in values.keys() - _TYPES.keys() - {"format"}:
        yield f"unknown key {name!r:.40} ignored"
