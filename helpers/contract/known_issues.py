# SPDX-License-Identifier: GPL-2.0-or-later
"""Real defects of released kernels, as data: the tests that find them are expected to fail there, and only there.

`suites/known_issues.toml` lists them:

    [[issue]]
    test = "suites/fanotify_events/test_ioctl.py::test_bytes_of_records*"   # a node id, or a pattern of node ids
    kernels = ["5.10", "6.18"]                                              # series; "7.2" is ref-7.2 too
    reason = "FIONREAD counts 24 bytes an event, whatever records it has"
    link = "commit 68615158c12d"
    date = 2026-11-21                                                       # when it was seen last
    panics = true                                                           # optional: it is not even run there

An expected failure that passes fails the run: the entry is then to be removed. One that panics its kernel would cost a
VM in every run and hide what else the test asks; it is not run, unless pytest's --runxfail asks for it. No entry may
silence a mistake of a test.
"""

import datetime as dt
import fnmatch
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

FILE = "known_issues.toml"


class KnownIssuesError(Exception):
    """The file of known issues can not be used as it is; the text says which entry and why."""


@dataclass(frozen=True)
class KnownIssue:
    """One defect of some kernels, and the tests that it makes fail."""

    test: str
    kernels: tuple[str, ...]
    reason: str
    link: str
    date: dt.date
    panics: bool = False

    def hits(self, test: str, kernel: str) -> bool:
        """Whether a test (node id) is expected to fail on a kernel, or on a reference kernel made of its source."""
        source = kernel.removeprefix("ref-").removesuffix("-debug")
        return source in self.kernels and (test == self.test or fnmatch.fnmatchcase(test, self.test))


def load(path: Path) -> list[KnownIssue]:
    """Read the known issues; a file that is not there has none. Raises KnownIssuesError."""
    if not path.exists():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("issue", [])
    except tomllib.TOMLDecodeError as error:
        raise KnownIssuesError(f"{path}: {error}") from error
    return [_issue(path, number, entry) for number, entry in enumerate(entries, start=1)]


def _issue(path: Path, number: int, entry: dict[str, object]) -> KnownIssue:
    names = {field.name for field in fields(KnownIssue)}
    if wrong := entry.keys() ^ names - ({"panics"} - entry.keys()):
        raise KnownIssuesError(f"{path}: issue {number}: has too much or lacks: {', '.join(sorted(wrong))}")
    kernels, date = entry["kernels"], entry["date"]
    texts = {name: value for name, value in entry.items() if name in ("test", "reason", "link")}
    if not isinstance(kernels, list) or not kernels or not isinstance(date, dt.date):
        raise KnownIssuesError(f"{path}: issue {number}: kernels must be a list of names, date a date")
    if blank := [name for name, text in texts.items() if not isinstance(text, str) or not text.strip()]:
        raise KnownIssuesError(f"{path}: issue {number}: {blank[0]} must be a text")
    if not isinstance(panics := entry.get("panics", False), bool):
        raise KnownIssuesError(f"{path}: issue {number}: panics must be true or false")
    return KnownIssue(
        str(texts["test"]), tuple(map(str, kernels)), str(texts["reason"]), str(texts["link"]), date, panics
    )


def of(issues: Iterable[KnownIssue], test: str, kernel: str) -> KnownIssue | None:
    """Return the first known issue that makes a test fail on a kernel."""
    return next((issue for issue in issues if issue.hits(test, kernel)), None)


def panics(test: str) -> bool:
    """Whether a test (node id) is known to panic this kernel: a test of many calls leaves out those that it makes."""
    issues = load(Path(__file__).parents[2] / "suites" / FILE)
    issue = of(issues, test, os.environ.get("FAPITEST_KERNEL", ""))
    return issue is not None and issue.panics
