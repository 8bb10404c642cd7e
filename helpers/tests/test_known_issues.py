# SPDX-License-Identifier: GPL-2.0-or-later
"""Known issues are read strictly, and hit what they name."""

import datetime as dt

import pytest

from helpers.contract import known_issues
from helpers.contract.known_issues import KnownIssue, KnownIssuesError

ENTRY = """
[[issue]]
test = "suites/a/test_b.py::test_c*"
kernels = ["6.18"]
reason = "it counts wrong"
link = "commit 68615158c12d"
date = 2026-11-21
"""
ISSUE = KnownIssue(
    "suites/a/test_b.py::test_c*",
    ("6.18",),
    "it counts wrong",
    "commit 68615158c12d",
    dt.date(2026, 11, 21),
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / known_issues.FILE
    path.write_text(ENTRY)
    return path


def test_an_entry(file):
    assert known_issues.load(file) == [ISSUE]


def test_an_entry_that_panics(file):
    file.write_text(f"{ENTRY}panics = true\n")
    assert [issue.panics for issue in known_issues.load(file)] == [True]


def test_no_file_is_no_issue(tmp_path):
    assert known_issues.load(tmp_path / known_issues.FILE) == []


@pytest.mark.parametrize(
    ("test", "kernel", "hit"),
    [
        ("suites/a/test_b.py::test_c", "6.18", True),
        ("suites/a/test_b.py::test_c[x-y]", "6.18", True),
        ("suites/a/test_b.py::test_c", "ref-6.18", True),
        ("suites/a/test_b.py::test_c", "ref-6.18-debug", True),
        ("suites/a/test_b.py::test_c", "6.12", False),
        ("suites/a/test_b.py::test_c", "ref-6.12", False),
        ("suites/a/test_b.py::test_d", "6.18", False),
    ],
)
def test_what_it_hits(test, kernel, hit):
    assert (known_issues.of([ISSUE], test, kernel) is ISSUE) is hit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reason = "it counts wrong"', "", "lacks: reason"),
        ('link = "commit', 'author = "me"\nlink = "commit', "has too much or lacks: author"),
        ('kernels = ["6.18"]', "kernels = []", "kernels must be a list"),
        ("date = 2026-11-21", 'date = "yesterday"', "date a date"),
        ('reason = "it counts wrong"', 'reason = " "', "reason must be a text"),
        ("[[issue]]", "[[issue", "toml"),
    ],
)
def test_a_file_that_is_wrong(file, old, new, message):
    file.write_text(ENTRY.replace(old, new))
    with pytest.raises(KnownIssuesError, match=message):
        known_issues.load(file)


@pytest.mark.parametrize(("kernel", "answer"), [("6.16", True), ("6.17", False), ("", False)])
def test_what_is_known_to_panic(monkeypatch, kernel, answer):
    monkeypatch.setenv("FAPITEST_KERNEL", kernel)
    assert known_issues.panics("suites/fanotify_mark/test_objects.py::test_mount_namespace[/-22]") == answer
