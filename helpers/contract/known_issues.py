# SPDX-License-Identifier: GPL-2.0-or-later
"""Real defects of released kernels, as data: the tests that find them are expected to fail there, and only so.

`suites/known_issues.toml` lists them, one entry for each defect:

    [[issue]]
    tests = ["suites/fanotify_events/test_readiness.py::test_bytes_of_events_with_records*"]  # node ids, or patterns
    match = 'assert 24 == '         # what the failure says: a regular expression, searched in its text
    reason = "FIONREAD counts 24 bytes for an event, whatever records it has"
    link = "commit 68615158c12d (\\"fanotify: report full event length for FIONREAD\\"), 7.2"
    introduced = ["5.1"]                        # the releases that brought it: mainline, then stable; optional
    fixed = ["7.2", "6.12.110", "6.1.188"]      # the releases that mended it; [] for none
    seen = ["5.10.262", "6.18.15"]              # the newest release of each series in which it was seen
    expires = 2027-06-01                        # the day from which somebody must have looked at it again
    feature = "REPORT_PIDFD"                    # optional: only where the kernel has the feature
    architecture = "x86_64"                     # optional: only where uname -m says so
    distribution = '\\+deb13'                    # optional: a regular expression, searched in uname -r
    splat = 'WARNING: .* fanotify.h:216'        # optional: what each line of the kernel's log is that tells of it
    panics = true                               # optional: the test is not even run there; it needs no `match`

Any other failure of the same test is a failure, and so is a complaint of the kernel in its log, whatever `match` is, if
`splat` does not know each of its lines. A test that passes in a release in which the defect was seen fails the run: it
has lost its grip. In a later release of the series, and in one in which nobody has looked, the defect was mended by
somebody who has not told us: that is a pass.
"""

import datetime as dt
import fnmatch
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from helpers.contract import releases
from helpers.contract.releases import Number, Release, point
from helpers.contract.results import COMPLAINED

FILE = "known_issues.toml"
SUITES = Path(__file__).parents[2] / "suites"


class KnownIssuesError(Exception):
    """A file of known issues can not be used as it is; the text says which entry and why."""


class KernelFault(AssertionError):  # noqa: N818 - what happened
    """The kernel told of defects by itself: `lines` are those of its log, and taints."""

    def __init__(self, *lines: str) -> None:
        """Show all lines."""
        super().__init__("\n  ".join([COMPLAINED, *lines]))
        self.lines = lines


@dataclass(frozen=True)
class KnownIssue:
    """One defect of some kernels, and the tests that it makes fail; the fields are those of its entry."""

    tests: tuple[str, ...]
    reason: str
    link: str
    fixed: tuple[Number, ...]
    seen: tuple[Number, ...]
    expires: dt.date
    match: str = ""
    splat: str = ""
    introduced: tuple[Number, ...] = ()
    feature: str = ""
    architecture: str = ""
    distribution: str = ""
    panics: bool = False

    def concerns(self, test: str) -> bool:
        """Whether the defect makes a test (node id) fail."""
        return any(test == pattern or fnmatch.fnmatchcase(test, pattern) for pattern in self.tests)

    def affects(self, release: Release) -> bool:
        """Whether a kernel has the defect, as far as its release tells."""
        return (
            (not self.introduced or release.has(self.introduced))
            and not release.has(self.fixed)
            and self.architecture in ("", release.architecture)
            and re.search(self.distribution, release.text) is not None
        )

    def is_certain(self, release: Release) -> bool:
        """Whether a kernel that has the defect by its release is one in which it was seen, or older than that."""
        same = (seen for seen in self.seen if seen.series == release.number.series)
        return release.exact and any(release.number.patch <= seen.patch for seen in same)

    def explains(self, error: BaseException) -> bool:
        """Whether it is this defect that a failure tells of."""
        if isinstance(error, KernelFault):
            return bool(self.splat) and all(re.search(self.splat, line) for line in error.lines)
        return re.search(self.match, str(error)) is not None

    @property
    def text(self) -> str:
        """The defect in one line, which also says that somebody must look at it again."""
        expired = f"; expired on {self.expires}: look at it again" if self.expires < _today() else ""
        return f"{self.reason} ({self.link}; seen in {', '.join(map(str, self.seen))}{expired})"


def read(path: Path) -> str:
    """Return the text of a user's file of known issues, once it was found right, and none has expired.

    Raises KnownIssuesError.
    """
    text = _read(path)
    for number, issue in enumerate(parse(text, str(path)), start=1):
        if issue.expires < _today():
            raise KnownIssuesError(
                f"{path}: issue {number}: expired on {issue.expires}: look at it again, and set another date"
            )
    return text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise KnownIssuesError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KnownIssuesError(f"{path}: {error}") from error


def _today() -> dt.date:
    return dt.datetime.now(tz=dt.UTC).date()


def of_suites(suites: Path = SUITES) -> list[KnownIssue]:
    """Return the known issues that lie beside the suites; where no file is, none. Raises KnownIssuesError."""
    path = suites / FILE
    return parse(_read(path), str(path)) if path.exists() else []


def parse(text: str, name: str) -> list[KnownIssue]:
    """Return the known issues of a text in TOML; `name` is its file's, for messages. Raises KnownIssuesError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KnownIssuesError(f"{name}: {error}") from error
    if unknown := values.keys() - {"issue"}:
        raise KnownIssuesError(f"{name}: unknown key {min(unknown)!r}; each defect is an [[issue]]")
    entries = values.get("issue", [])
    if not isinstance(entries, list):
        raise KnownIssuesError(f"{name}: issue: each defect is an [[issue]]")
    return [_issue(f"{name}: issue {number}", entry) for number, entry in enumerate(entries, start=1)]


def of(issues: Iterable[KnownIssue], test: str, release: Release | None) -> KnownIssue | None:
    """Return the first known issue that makes a test fail on a kernel of a release; none where that is unknown."""
    if release is None:
        return None
    return next((issue for issue in issues if issue.concerns(test) and issue.affects(release)), None)


def panics(test: str) -> bool:
    """Whether a test (node id) is known to panic this kernel: a test of many calls leaves out those that it makes."""
    issue = of(of_suites(), test, releases.running())
    return issue is not None and issue.panics


# --- one entry ----------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of texts")
    return tuple(map(_text, value))


def _points(value: object) -> tuple[Number, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of releases")  # noqa: TRY004 - what is wrong is told, not of which kind
    return tuple(point(_text(each)) for each in value)


def _pattern(value: object) -> str:
    try:
        return re.compile(_text(value)).pattern
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error


def _date(value: object) -> dt.date:
    if type(value) is not dt.date:  # a time of day is one too
        raise ValueError("must be a date")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004
    return value


_READ: Mapping[str, Callable[[object], Any]] = {
    "tests": _texts,
    "reason": _text,
    "link": _text,
    "fixed": _points,
    "seen": _points,
    "expires": _date,
    "match": _pattern,
    "splat": _pattern,
    "introduced": _points,
    "feature": _text,
    "architecture": _text,
    "distribution": _pattern,
    "panics": _truth,
}
_NEEDED = {field.name for field in fields(KnownIssue) if field.default is MISSING}


def _issue(where: str, entry: object) -> KnownIssue:
    if not isinstance(entry, dict):
        raise KnownIssuesError(f"{where}: is no table")
    needed = _NEEDED if entry.get("panics") else _NEEDED | {"match"}
    if unknown := entry.keys() - _READ.keys():
        raise KnownIssuesError(f"{where}: unknown key {min(unknown)!r}; known are {', '.join(_READ)}")
    if missing := needed - entry.keys():
        raise KnownIssuesError(f"{where}: {min(missing)!r} is missing")
    values = {}
    for key, value in entry.items():
        try:
            values[key] = _READ[key](value)
        except ValueError as error:
            raise KnownIssuesError(f"{where}: {key}: {error}") from error
    return KnownIssue(**values)
