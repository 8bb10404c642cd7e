# SPDX-License-Identifier: GPL-2.0-or-later
"""Known issues are parsed strictly, and apply to exactly the releases, tests and failures that they name."""

import datetime as dt
import re
from pathlib import Path

import pytest

from helpers.contract import known_issues, releases
from helpers.contract.known_issues import KernelFault, KnownIssue, KnownIssuesError
from helpers.contract.releases import Release, point

ENTRY = """
[[issue]]
tests = ["suites/a/test_b.py::test_c*"]
match = 'assert 24 == [0-9]+'
reason = "it counts wrong"
link = "commit 68615158c12d"
introduced = ["6.14"]
fixed = ["7.2", "6.17.5"]
seen = ["6.16.12", "7.1.3"]
expires = 2027-06-01
"""
(ISSUE,) = known_issues.parse(ENTRY, "file")
OURS = known_issues.of_suites()


def of(release: str, *issues: KnownIssue, test: str = "suites/a/test_b.py::test_c") -> KnownIssue | None:
    return known_issues.of(issues or [ISSUE], test, Release.parse(release, architecture="x86_64"))


def changed(old: str, new: str) -> KnownIssue:
    (issue,) = known_issues.parse(ENTRY.replace(old, new), "file")
    return issue


def test_an_entry():
    assert (ISSUE.fixed, ISSUE.expires) == ((point("7.2"), point("6.17.5")), dt.date(2027, 6, 1))
    assert ISSUE.text == "it counts wrong (commit 68615158c12d; seen in 6.16.12, 7.1.3)"


def test_no_file_is_no_issue(tmp_path):
    assert known_issues.of_suites(tmp_path) == []


@pytest.mark.parametrize(
    ("release", "hit"),
    [
        ("6.13.9", False),
        ("6.14.0-rc1", True),
        ("6.16.12+deb13-cloud-amd64", True),
        ("6.16.12-reference-debug", True),
        ("6.17.4", True),
        ("6.17.5", False),
        ("7.1.9", True),
        ("7.2.0-rc1", False),
        ("7.2.0", False),
    ],
)
def test_releases_that_it_hits(release, hit):
    assert (of(release) is ISSUE) is hit


@pytest.mark.parametrize(
    ("test", "hit"),
    [
        ("suites/a/test_b.py::test_c", True),
        ("suites/a/test_b.py::test_c[x-y]", True),
        ("suites/a/test_b.py::test_d", False),
    ],
)
def test_tests_that_it_hits(test, hit):
    assert (of("6.16.1", test=test) is ISSUE) is hit


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ('architecture = "x86_64"', True),
        ('architecture = "aarch64"', False),
        ("distribution = '\\+deb1[0-9]-'", True),
        ("distribution = 'el9'", False),
    ],
)
def test_it_can_be_narrowed(line, hit):
    issue = changed("[[issue]]", f"[[issue]]\n{line}")
    assert (of("6.16.12+deb13-cloud-amd64", issue) is issue) is hit


@pytest.mark.parametrize(
    ("release", "certain"),
    [
        ("6.16.12", True),
        ("6.16.3", True),
        ("6.16.13", False),
        ("6.15.3", False),
        ("6.16.0-12.el9", False),
        ("7.1.0", True),
    ],
)
def test_a_pass_is_a_mistake_only_in_releases_like_those_in_which_it_was_seen(release, certain):
    parsed = Release.parse(release)
    assert parsed
    assert ISSUE.is_certain(parsed) is certain


@pytest.mark.parametrize(
    ("error", "explained"),
    [
        (AssertionError("assert 24 == 56"), True),
        (AssertionError("assert 24 == -1\n  more"), False),
        (KernelFault("BUG: KASAN", "assert 24 == 56"), False),
    ],
    ids=["itself", "another", "splat"],
)
def test_failures_that_it_explains(error, explained):
    assert ISSUE.explains(error) is explained


@pytest.mark.parametrize(
    ("lines", "explained"),
    [
        (["WARNING: at fanotify.h:216"], True),
        (["WARNING: at fanotify.h:216", "gained 0x200"], True),
        (["WARNING: at fanotify.h:216", "BUG: KASAN"], False),
        (["assert 24 == 56"], False),
    ],
)
def test_a_splat_is_explained_by_who_knows_each_line(lines, explained):
    issue = changed("[[issue]]", "[[issue]]\nsplat = 'at fanotify.h|gained 0x200'")
    assert issue.explains(KernelFault(*lines)) is explained


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reason = "it counts wrong"', "", "'reason' is missing"),
        ("match = 'assert 24 == [0-9]+'", "", "'match' is missing"),
        ("match = 'assert 24 == [0-9]+'", "match = '('", "match: is no regular expression"),
        ('link = "commit', 'author = "me"\nlink = "commit', "unknown key 'author'"),
        ('tests = ["suites/a/test_b.py::test_c*"]', "tests = []", "tests: must be a list of texts"),
        ('"6.17.5"', '"6.17.y"', "fixed: '6.17.y' is not a release"),
        ("expires = 2027-06-01", 'expires = "tomorrow"', "expires: must be a date"),
        ("expires = 2027-06-01", "expires = 2027-06-01T12:00:00", "expires: must be a date"),
        ('reason = "it counts wrong"', 'reason = " "', "reason: must be a text"),
        ("[[issue]]", "[[issue]]\npanics = 1", "panics: must be true or false"),
        ("[[issue]]", "[[issue", "file: "),
    ],
)
def test_a_file_that_is_wrong(old, new, message):
    with pytest.raises(KnownIssuesError, match=message):
        changed(old, new)


def test_one_that_panics_needs_no_match():
    assert changed("match = 'assert 24 == [0-9]+'", "panics = true").panics


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(KnownIssuesError, match="No such file"):
        known_issues.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("release", "answer"), [("6.16.12+deb13", True), ("6.17.0", False), ("6.14.9", False), ("", False)]
)
def test_what_is_known_to_panic(monkeypatch, release, answer):
    monkeypatch.setattr(releases, "running", lambda: Release.parse(release))
    assert (
        known_issues.panics("suites/fanotify_mark/test_objects.py::test_mount_namespace[/-EINVAL]") == answer
    )


@pytest.mark.parametrize("issue", OURS, ids=lambda issue: issue.reason)
def test_none_of_ours_has_expired(issue):
    """If it fails, check on the newest kernels whether the defect still exists, then set a later date."""
    assert dt.datetime.now(tz=dt.UTC).date() <= issue.expires


@pytest.mark.parametrize("issue", OURS, ids=lambda issue: issue.reason)
def test_ours_were_seen_where_they_say_that_they_are(issue):
    seen = filter(None, (Release.parse(str(number)) for number in issue.seen))
    assert [release.text for release in seen if not issue.affects(release)] == []


@pytest.mark.parametrize("issue", OURS, ids=lambda issue: issue.reason)
def test_ours_name_tests_that_there_are(issue):
    for pattern in issue.tests:
        file, _, name = pattern.partition("::")
        function = re.match(r"\w+", name)
        assert function
        assert f"def {function[0]}" in Path(known_issues.SUITES.parent, file).read_text()


def test_one_that_has_expired_excuses_nothing_of_a_users_list(tmp_path):
    (tmp_path / "list.toml").write_text(ENTRY.replace("2027-06-01", "2020-06-01"))
    with pytest.raises(
        KnownIssuesError, match=r"list.toml: issue 1: expired on 2020-06-01: look at it again"
    ):
        known_issues.read(tmp_path / "list.toml")


def test_one_that_has_expired_says_so_wherever_it_is_shown():
    assert changed("2027-06-01", "2020-06-01").text.endswith("; expired on 2020-06-01: look at it again)")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[[issues]]\n", "unknown key 'issues'; each defect is an [[issue]]"),
        ("issue = 5\n", "issue: each defect is an [[issue]]"),
        ("[issue]\n", "issue: each defect is an [[issue]]"),
    ],
)
def test_a_list_that_says_nothing_is_refused(text, error):
    with pytest.raises(KnownIssuesError, match=re.escape(f"file: {error}")):
        known_issues.parse(text, "file")
