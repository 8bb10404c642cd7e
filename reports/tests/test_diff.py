# SPDX-License-Identifier: GPL-2.0-or-later
import json
from pathlib import Path

import pytest

from helpers.contract.results import Reason, Result, dump
from helpers.contract.status import Status
from reports import diff
from reports.diff import Kind, compare


def result(status: str, kernel: str = "6.1", test: str = "a.py::x", reason: str = "") -> Result:
    why = Reason(reason, "FAN_REPORT_MNT") if reason else None
    return Result(
        kernel, "", "", test, ["B-1"], Status(status), why, "it | is so" if status == "fail" else ""
    )


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("pass", "pass", None),
        ("fail", "fail", None),
        ("pass", "fail", "regression"),
        ("pass", "error", "regression"),
        ("skip", "fail", "regression"),
        ("xfail", "fail", "regression"),
        ("xfail", "xpass", "regression"),
        ("error", "fail", "regression"),
        ("fail", "panic", "regression"),
        ("panic", "fail", "changed"),
        ("fail", "error", "changed"),
        ("fail", "xfail", "changed"),
        ("pass", "xfail", "changed"),
        ("fail", "pass", "fixed"),
        ("xfail", "pass", "fixed"),
        ("skip", "pass", "no longer skipped"),
        ("pass", "skip", "new skip"),
        ("fail", "skip", "new skip"),
    ],
)
def test_kind(old: str, new: str, kind: str | None) -> None:
    changes = compare([result(old)], [result(new)]).changes
    assert [change.kind for change in changes] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("not-implemented", "lost feature"),
        ("kconfig", "new skip"),
        ("filesystem", "new skip"),
        ("", "new skip"),
    ],
)
def test_a_skip_by_its_reason(reason: str, kind: str) -> None:
    (change,) = compare([result("pass")], [result("skip", reason=reason)]).changes
    assert change.kind == kind


@pytest.mark.parametrize("kind", Kind)
def test_what_alarms(kind: Kind) -> None:
    one = result("pass")
    comparison = diff.Comparison("a", "b", [diff.Change(kind, one, one)], [], [])
    assert comparison.alarming == (kind in ("regression", "lost feature", "new skip"))


def test_tests_that_come_and_go_do_not_alarm() -> None:
    comparison = compare([result("fail", test="old")], [result("fail", test="new")])
    assert [(change.kind, change.result.test) for change in comparison.changes] == [
        ("gone", "old"),
        ("added", "new"),
    ]
    assert not comparison.alarming


def test_kernels_of_one_run_alone_are_not_compared() -> None:
    comparison = compare([result("pass", "5.10"), result("pass")], [result("pass"), result("fail", "7.2")])
    assert (comparison.changes, comparison.only_old, comparison.only_new) == ([], ["5.10"], ["7.2"])


OLD = [result("pass", kernel) for kernel in ("6.1", "6.12", "7.2")] + [result("fail", test="a.py::y")]
NEW = [
    result("fail"),
    result("fail", "6.12"),
    result("skip", "7.2", reason="not-implemented"),
    result("pass", test="a.py::y"),
    result("pass", "7.3"),
    result("pass", test="a.py::z"),
]
COMPARISON = compare(OLD, NEW, ("one", "two"))


def test_text() -> None:
    assert diff.as_text(COMPARISON).splitlines() == [
        "one → two: 2 regressions, 1 lost feature, 1 fixed, 1 added",
        "regression         6.1 6.12  pass → fail  a.py::x: it | is so",
        "lost feature       7.2  pass → skip  a.py::x: not-implemented: FAN_REPORT_MNT",
        "fixed              6.1  fail → pass  a.py::y",
        "only in two: 7.3",
    ]


def test_markdown() -> None:
    assert diff.as_markdown(COMPARISON).splitlines() == [
        "**one → two:** 2 regressions, 1 lost feature, 1 fixed, 1 added",
        "",
        "|  | kernels | status | test | message |",
        "| --- | --- | --- | --- | --- |",
        r"| **regression** | 6.1 6.12 | pass → fail | a.py::x | it \| is so |",
        r"| **lost feature** | 7.2 | pass → skip | a.py::x | not-implemented: FAN\_REPORT\_MNT |",
        "| fixed | 6.1 | fail → pass | a.py::y |  |",
        "",
        "only in two: 7.3",
    ]


def test_json() -> None:
    values = json.loads(diff.as_json(COMPARISON))
    assert (values["old"], values["new"], values["alarming"]) == ("one", "two", True)
    assert {kind: count for kind, count in values["counts"].items() if count} == {
        "regression": 2,
        "lost feature": 1,
        "fixed": 1,
        "added": 1,
    }
    assert values["only_new"] == ["7.3"]
    assert values["changes"][0] == {
        "kind": "regression",
        "kernel": "6.1",
        "test": "a.py::x",
        "behaviours": ["B-1"],
        "old": "pass",
        "new": "fail",
        "message": "it | is so",
    }


def test_nothing_changed() -> None:
    assert diff.as_text(compare(OLD, OLD, ("a", "b"))) == "a → b: no changes\n"
    assert diff.as_markdown(compare(OLD, OLD, ("a", "b"))) == "**a → b:** no changes\n"


def test_a_message_can_not_break_a_line_or_a_table() -> None:
    odd = Result("6.1", "", "", "a.py::x", [], Status.FAIL, message="\x1b[31m" + "x|\n`<b>" * 1_000_000)
    comparison = compare([result("pass")], [odd], ("a", "b"))
    assert len(diff.as_text(comparison).splitlines()) == 2
    assert "\x1b" not in diff.as_text(comparison)
    assert len(diff.as_markdown(comparison)) < 2000


# ---- the run to compare with ----


def keep(out: Path, name: str, *results: Result) -> Path:
    (out / name).mkdir()
    (out / name / "results.jsonl").write_bytes(b"".join(map(dump, results)))
    return out / name


def test_the_newest_earlier_run_that_ran_half_of_the_tests_counts(tmp_path: Path) -> None:
    tests = [result("pass", test=f"a.py::{name}") for name in "abcd"]
    keep(tmp_path, "1", *tests)
    keep(tmp_path, "2", *tests[:2])
    keep(tmp_path, "3", tests[0])
    keep(tmp_path, "4")
    this = keep(tmp_path, "5", *tests)
    keep(tmp_path, "6", *tests)
    found = diff.earlier(this, tests)
    assert found
    assert (found.old, found.new) == ("2", "5")


def test_no_earlier_run(tmp_path: Path) -> None:
    this = keep(tmp_path, "1", result("pass"))
    assert diff.earlier(this, [result("pass")]) is None
