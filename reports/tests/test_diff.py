# SPDX-License-Identifier: GPL-2.0-or-later
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.contract import manifest
from helpers.contract.manifest import End, Kernel, Manifest, Suite
from helpers.contract.results import COMPLAINED, Reason, Result, write
from helpers.contract.status import Status
from reports import diff
from reports.__main__ import main
from reports.diff import Comparison, Kind
from reports.stored import Stored
from reports.tests.conftest import plan_of


def result(
    status: str, kernel: str = "6.1", test: str = "a.py::x", reason: str = "", release: str = ""
) -> Result:
    why = Reason(reason, "FAN_REPORT_MNT") if reason else None
    message = "it | is so" if status == "fail" else ""
    return Result(kernel, release, "", test, ["B-1"], Status(status), why, message)


def compare(
    old: Sequence[Result], new: Sequence[Result], names: tuple[str, str] = ("old", "new")
) -> Comparison:
    return diff.compare(whole(*old, name=names[0]), whole(*new, name=names[1]))


def whole(*results: Result, name: str = "run") -> Stored:
    """A run that planned just these."""
    return Stored(name, results, plan_of(results))


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
        ("pass", "xfail", "new known issue"),
        ("xpass", "xfail", "new known issue"),
        ("skip", "xfail", "new known issue"),
        ("fail", "xfail", "changed"),
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


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("kconfig", "not-implemented", "lost feature"),
        ("not-implemented", "kconfig", "skipped for another reason"),
        ("filesystem", "", "skipped for another reason"),
        ("filesystem", "filesystem", None),
        ("", "", None),
    ],
)
def test_a_skip_is_not_just_a_skip(before: str, after: str, kind: str | None) -> None:
    changes = compare([result("skip", reason=before)], [result("skip", reason=after)]).changes
    assert [change.kind for change in changes] == ([kind] if kind else [])


def test_the_words_of_a_reason_may_change() -> None:
    one, other = (
        replace(result("skip"), reason=Reason("kconfig", text)) for text in ("no audit", "audit: no")
    )
    comparison = compare([one], [other])
    assert [change.kind for change in comparison.changes] == ["changed"]
    assert not comparison.alarming


def test_a_complaint_of_the_kernel_is_more_than_a_wrong_answer() -> None:
    wrong = result("fail")
    complained = replace(wrong, message=f"{COMPLAINED} BUG: KASAN: use-after-free in fsnotify")
    assert [change.kind for change in compare([wrong], [complained]).changes] == ["regression"]
    assert not compare([complained], [wrong]).changes


def test_a_kernel_that_is_new_alarms_by_what_fails_on_it() -> None:
    old, fine = result("pass"), result("pass", "7.4")
    assert not compare([old], [old, fine]).alarming
    bad = compare([old], [old, result("fail", "7.4", "a.py::y")])
    assert [(change.kind, change.kernel) for change in bad.changes] == [("newly failing", "7.4")]


def test_a_kernel_that_was_left_out_by_hand_is_not_missing() -> None:
    both = whole(result("pass"), result("pass", "7.2"))
    assert not diff.compare(both, both, "", "7.2").losses


@pytest.mark.parametrize("kind", Kind)
def test_what_does_not_alarm(kind: Kind) -> None:
    one = result("pass")
    comparison = Comparison("a", "b", changes=[diff.Change(kind, "6.1", one, one)])
    assert comparison.alarming == (kind not in ("fixed", "no longer skipped", "changed", "added"))


# ---- what was lost ----


def keep(out: Path, name: str, *results: Result, plan: Manifest | None = None) -> Path:
    (out / name).mkdir()
    write(out / name / "results.jsonl", results)
    if plan:
        (out / name / manifest.FILE).write_bytes(manifest.dump(plan))
    return out / name


def stored(
    *statuses: str,
    planned: int | None = None,
    how: End | None = End.COMPLETE,
    baseline: str = "6.1",
    commit: str = "c",
) -> Stored:
    """A run of 6.1 with a manifest, and with a result for each status; `planned` is the number of its tests."""
    results = [result(status, test=f"a.py::{number}") for number, status in enumerate(statuses)]
    tests = [f"a.py::{number}" for number in range(len(statuses) if planned is None else planned)]
    made = Manifest(suite=Suite(commit), how=how).with_kernel(Kernel("6.1", baseline=baseline))
    return Stored("run", results, made.with_tests("6.1", dict.fromkeys(tests, ())))


def boot(kernel: str) -> Result:
    return Result(kernel, "", "", "vm::boot", [], Status.LOST, message="QEMU ended with 1\nand more")


TWO = stored("pass", "pass")
LOSSES = {
    "regression": (TWO, stored("pass", "fail"), "regression"),
    "newly failing": (stored("pass"), stored("pass", "fail"), "newly failing"),
    "newly breaking": (stored("pass"), stored("pass", "panic"), "newly failing"),
    "lost feature": (
        whole(result("pass")), whole(result("skip", reason="not-implemented")), "lost feature"
    ),
    "new skip": (TWO, stored("pass", "skip"), "new skip"),
    "gone": (TWO, stored("pass"), "gone"),
    "fewer planned": (stored("pass", planned=2), stored("pass"), "fewer planned"),
    "not booted": (whole(result("pass")), whole(boot("6.1")), "not booted"),
    "incomplete": (TWO, stored("pass", planned=2), "incomplete"),
    "interrupted": (TWO, stored("pass", planned=2, how=End.INTERRUPTED), "incomplete"),
    "killed": (TWO, stored("pass", "pass", how=None), "incomplete"),
    "aborted after the last test": (TWO, stored("pass", "pass", how=End.ABORTED), "incomplete"),
    "lost baseline": (TWO, stored("pass", "pass", baseline=""), "lost baseline"),
    "held against nothing": (TWO, stored("pass", "pass", baseline="none"), "lost baseline"),
    "a new kernel that does not boot": (
        whole(result("pass")), whole(result("pass"), boot("7.2")), "not booted"
    ),
    "missing kernel": (
        whole(result("pass"), result("pass", "7.2")), whole(result("pass")), "missing kernel"
    ),
    "new known issue": (TWO, stored("pass", "xfail"), "new known issue"),
    "another reason": (
        whole(result("skip", reason="filesystem")), whole(result("skip")), "skipped for another reason"
    ),
    "no manifest": (TWO, Stored("b", TWO.results), "incomplete"),
    "results that nobody planned": (
        TWO, Stored("b", [*TWO.results, result("pass", "7.2")], TWO.manifest), "incomplete"
    ),
    "no kernel in common": (whole(result("pass")), whole(result("pass", "7.2")), "no kernel in common"),
}  # fmt: skip


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_loss_alarms(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, form: str) -> None:
    old, new, kind = LOSSES[case]
    sides = [
        str(keep(tmp_path, name, *run.results, plan=run.manifest)) for name, run in (("a", old), ("b", new))
    ]
    assert main(["diff", "--format", form, *sides]) == 1
    said = capsys.readouterr().out
    assert f'"{kind}": 1' in said if form == "json" else kind in said
    assert "compared: " in said or '"pairs": [' in said


@pytest.mark.parametrize("damage", [b'{"kernel"', b"odd\n"], ids=["cut off", "not JSON"])
def test_lines_that_can_not_be_read_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes
) -> None:
    sides = [keep(tmp_path, name, *TWO.results, plan=TWO.manifest) for name in ("a", "b")]
    with (sides[1] / "results.jsonl").open("ab") as file:
        file.write(damage)
    assert main(["diff", *map(str, sides)]) == 1
    assert "incomplete: results.jsonl: line 3 left out: " in capsys.readouterr().out


def test_at_least_eight_kinds_of_loss_are_tried() -> None:
    assert {kind for *_, kind in LOSSES.values()} == set(Kind) - diff.HARMLESS


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (stored("pass"), "run → run: no changes"),
        (stored("pass", "pass"), "run → run: 1 added"),
        (stored("pass", baseline="6.2"), "run → run: no changes"),
    ],
    ids=["the same", "a test more", "another baseline"],
)
def test_what_is_no_loss_does_not_alarm(new: Stored, said: str) -> None:
    comparison = diff.compare(stored("pass"), new)
    assert diff.as_text(comparison).splitlines()[0] == said
    assert not comparison.alarming


def test_tests_of_a_kernel_that_did_not_boot_are_not_gone_one_by_one() -> None:
    tests = [result("pass", kernel, f"a.py::{n}") for kernel in ("6.1", "7.2") for n in range(3)]
    comparison = compare(tests, [*tests[:3], boot("7.2")])
    assert str(comparison) == "1 not booted"
    assert "not booted         7.2: QEMU ended with 1; 3 tests did not run" in diff.as_text(comparison)


def test_a_kernel_that_did_not_boot_has_lost_no_baseline() -> None:
    """A guest tells what it is held against."""
    old = stored("pass")
    assert old.manifest
    new = Stored("new", [boot("6.1")], old.manifest.with_kernel(Kernel("6.1")))
    assert str(diff.compare(old, new)) == "1 not booted"


def test_tests_that_were_planned_and_did_not_run_are_counted_once() -> None:
    comparison = diff.compare(stored("pass", "pass", "pass"), stored("pass", planned=3, how=End.ABORTED))
    assert str(comparison) == "1 incomplete"
    assert "incomplete         6.1: 1 of 3 tests ran" in diff.as_text(comparison)
    assert comparison.notes == ["run: incomplete: 1 of 3 tests ran; the run was aborted"]


def test_what_another_kernel_lacks_does_not_alarm() -> None:
    """Of two kernels the chosen one is whole."""
    plan = stored("pass", how=End.ABORTED).manifest
    assert plan
    both = Stored("run", [result("pass", test="a.py::0")], plan.with_kernel(Kernel("7.2")))
    assert diff.compare(both, both).alarming
    assert not diff.compare(both, both, "6.1", "6.1").alarming


def test_a_kernel_without_any_result_is_known_from_the_manifest() -> None:
    nothing = Stored("new", [], Manifest(how=None).with_kernel(Kernel("6.1")))
    comparison = diff.compare(stored("pass"), nothing)
    assert ("incomplete", "6.1", "its tests were never collected") in comparison.losses


def test_what_one_should_know_is_noted() -> None:
    noted = diff.compare(stored("pass"), stored("pass", commit="d")).notes
    assert noted == ["the tests are not the same: commit c → commit d"]
    old, new = diff.compare(Stored("old", [result("pass")]), Stored("new", [result("pass")])).notes
    assert old.startswith("old: no manifest")
    assert new.startswith("new: no manifest")


def test_another_baseline_is_noted() -> None:
    noted = diff.compare(stored("pass", baseline="Linux 7.2.1"), stored("pass", baseline="5.10")).notes
    assert noted == ["6.1 is held against another baseline: Linux 7.2.1 → 5.10"]


def test_of_many_tests_that_are_gone_some_are_named() -> None:
    many = [result("pass", test=f"a.py::{n}") for n in range(100)]
    lines = diff.as_text(compare(many, many[:1])).splitlines()
    assert lines[0].endswith("1 fewer planned, 99 gone")
    assert lines[1] == "fewer planned      6.1: 1 test planned, 99 fewer than before"
    assert lines[2] == "gone               6.1  pass → gone  a.py::1"
    assert lines[22] == "gone               6.1  and 79 more tests"


# ---- which kernel is which ----

PAIRED = {
    "same name, other release": (Kernel("6.12", "6.12.41"), Kernel("6.12", "6.12.48"), "6.12 (6.12.41 → 6.12.48)"),
    "same content": (Kernel("a", image="1", config="2"), Kernel("b", image="1", config="2"), "a → b (same content)"),
    "other configuration": (Kernel("a", image="1", config="2"), Kernel("b", image="1", config="3"), ""),
    "same series": (
        Kernel("6.12", "6.12.41"), Kernel("linux", "6.12.48"), "6.12 → linux (same series, 6.12.41 → 6.12.48)"
    ),
    "other series": (Kernel("a", "6.12.4"), Kernel("b", "6.1.24"), ""),
    "reference kernel": (Kernel("6.12", "6.12.41"), Kernel("ref-6.12", "6.12.41-reference"), ""),
    "same machine": (
        Kernel("one-6.18.5", "6.18.5", accel="none"), Kernel("one-6.18.6", "6.18.6", accel="none"),
        "one-6.18.5 → one-6.18.6 (same series, 6.18.5 → 6.18.6)",
    ),
    "other machine": (
        Kernel("one-6.18.5", "6.18.5", accel="none"), Kernel("two-6.18.5", "6.18.5", accel="none"), ""
    ),
    "machine and VM": (
        Kernel("one-6.12.5", "6.12.5", accel="none", hostname="one"), Kernel("6.12", "6.12.5", accel="tcg"), ""
    ),
}  # fmt: skip


def run_of(*kernels: Kernel) -> Stored:
    made = Manifest(how=End.COMPLETE)
    for kernel in kernels:
        made = made.with_kernel(kernel).with_tests(kernel.name, {"a.py::x": ()})
    return Stored("run", [result("pass", kernel.name) for kernel in kernels], made)


@pytest.mark.parametrize("case", PAIRED)
def test_kernels_are_compared_by_identity(case: str) -> None:
    old, new, said = PAIRED[case]
    comparison = diff.compare(run_of(old), run_of(new))
    assert ", ".join(map(str, comparison.pairs)) == said
    assert diff.compared(comparison) == f"compared: {said or 'nothing'}"
    assert comparison.alarming == (not said)


def test_of_two_kernels_of_a_series_none_is_guessed() -> None:
    comparison = diff.compare(
        run_of(Kernel("6.12", "6.12.1")), run_of(Kernel("a", "6.12.1"), Kernel("b", "6.12.1"))
    )
    assert comparison.pairs == []


def test_kernels_are_compared_by_hand_also_those_of_one_run() -> None:
    both = Stored("run", [result("pass", "6.12"), result("fail", "patched"), result("pass", "7.2")])
    comparison = diff.compare(both, both, "6.12", "patched")
    assert [(change.kind, change.kernel) for change in comparison.changes] == [("regression", "patched")]
    assert diff.compared(comparison) == "compared: 6.12 → patched (chosen by hand)"
    assert (comparison.only_old, comparison.only_new) == ([], [])


def test_a_kernel_chosen_on_one_side_is_compared_with_itself() -> None:
    both = Stored("run", [result("pass", "6.12"), result("pass", "7.2")])
    assert diff.compared(diff.compare(both, Stored("new", both.results[:1]), "6.12")) == "compared: 6.12"
    assert diff.compare(both, Stored("new", both.results[:1]), "7.2").alarming


# ---- in words ----

OLD = [result("pass", kernel) for kernel in ("6.1", "6.12", "7.2")] + [result("fail", test="a.py::y")]
NEW = [
    result("fail"),
    result("fail", "6.12", release="6.12.48"),
    result("skip", "7.2", reason="not-implemented"),
    result("pass", test="a.py::y"),
    result("pass", "7.3"),
    result("pass", test="a.py::z"),
]
COMPARISON = compare(OLD, NEW, ("one", "two"))
ABOUT = ["compared: 6.1, 6.12 (? → 6.12.48), 7.2", "only in two: 7.3", *COMPARISON.notes]


def test_text() -> None:
    assert diff.as_text(COMPARISON).splitlines() == [
        "one → two: 2 regressions, 1 lost feature, 1 fixed, 1 added",
        "regression         6.1 6.12  pass → fail  a.py::x: it | is so",
        "lost feature       7.2  pass → skip (not-implemented)  a.py::x: not-implemented: FAN_REPORT_MNT",
        "fixed              6.1  fail → pass  a.py::y",
        *ABOUT,
    ]


def test_markdown() -> None:
    assert diff.as_markdown(COMPARISON).splitlines() == [
        "**one → two:** 2 regressions, 1 lost feature, 1 fixed, 1 added",
        "",
        "|  | kernels | status | test | message |",
        "| --- | --- | --- | --- | --- |",
        r"| **regression** | 6.1 6.12 | pass → fail | a.py::x | it \| is so |",
        r"| **lost feature** | 7.2 | pass → skip (not-implemented) | a.py::x | not-implemented: FAN\_REPORT\_MNT |",
        "| fixed | 6.1 | fail → pass | a.py::y |  |",
        *(line for text in ABOUT for line in ("", text)),
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
    assert values["pairs"][1] == {
        "old": "6.12",
        "new": "6.12",
        "how": "same name",
        "old_release": "",
        "new_release": "6.12.48",
    }
    assert values["changes"][0] == {
        "kind": "regression",
        "kernel": "6.1",
        "test": "a.py::x",
        "behaviours": ["B-1"],
        "old": "pass",
        "new": "fail",
        "message": "it | is so",
    }


def test_a_loss_in_json() -> None:
    (loss,) = json.loads(diff.as_json(compare([result("pass")], [boot("6.1")])))["losses"]
    assert loss == {"kind": "not booted", "kernel": "6.1", "text": "QEMU ended with 1; 1 test did not run"}


def test_nothing_changed() -> None:
    begin, *rest = diff.as_text(compare(OLD, OLD, ("a", "b"))).splitlines()
    assert begin == "a → b: no changes"
    assert rest[0] == "compared: 6.1, 6.12, 7.2"
    assert diff.as_markdown(compare(OLD, OLD, ("a", "b"))).startswith("**a → b:** no changes\n")


def test_a_message_can_not_break_a_line_or_a_table() -> None:
    odd = Result("6.1", "", "", "a.py::x", [], Status.FAIL, message="\x1b[31m" + "x|\n`<b>" * 1_000_000)
    comparison = compare([result("pass")], [odd], ("a", "b"))
    assert len(diff.as_text(comparison).splitlines()) == 2 + 1
    assert "\x1b" not in diff.as_text(comparison)
    assert len(diff.as_markdown(comparison)) < 2000


# ---- the run to compare with ----


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
