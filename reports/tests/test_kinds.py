# SPDX-License-Identifier: GPL-2.0-or-later
"""Every report says whether a manual, a commit or the kernel's code alone says what a failed test expects."""

import json
from collections.abc import Callable

import pytest

from helpers.contract.behaviours import Behaviour
from helpers.contract.known_issues import KernelFault
from helpers.contract.results import MUST_HAVE, Result
from helpers.contract.sources import Kind
from helpers.contract.status import Status
from reports import allure_result, bench, evidence, junit, kcidb, ktap, ltp, page, summary, tmt
from reports.matrix import build, document

CATALOGUE = {
    one.id: one
    for one in (
        Behaviour("A-MANUAL", "a", "It is so.", "fanotify(7), ERRORS"),
        Behaviour("A-COMMIT", "a", "It is so.", 'commit 09e7827e7857 ("kernel/fork: validate"), 5.10'),
        Behaviour("A-CODE", "a", "It is so.", "fs/pidfs.c, pidfd_info()"),
    )
}
BROKEN = {
    "A-MANUAL": "the kernel breaks the documented behaviour",
    "A-COMMIT": "the kernel does not do what a commit or a mail decided",
    "A-CODE": "observed: kernel code only; nobody promises what the test expects",
}
FORMATS: dict[str, Callable[[list[Result]], str]] = {
    "terminal": lambda found: "\n".join(line.text for line in summary.summary(found, None, CATALOGUE)),
    "junit": lambda found: junit.document({"6.1": found}, "", CATALOGUE).decode(),
    "ktap": lambda found: ktap.document(found, CATALOGUE),
    "kcidb": lambda found: json.dumps(kcidb.document(found, "r", told=kcidb.Told(behaviours=CATALOGUE))),
    "ltp": lambda found: json.dumps(ltp.document(found, CATALOGUE)),
    "tmt": lambda found: json.dumps(tmt.document(found, CATALOGUE)),
    "allure": lambda found: str(allure_result.made(found[0], CATALOGUE)[0].statusDetails.trace),
}


def failed(*names: str, status: Status = Status.FAIL, message: str = "no", log: str = "") -> Result:
    return Result("6.1", "", "", "a.py::x", [*names], status, message=message, kernel_log=log)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("form", FORMATS)
def test_a_failure_is_told_by_its_kind(form: str, name: str) -> None:
    text = FORMATS[form]([failed(name)])
    assert [words in text for words in BROKEN.values()] == [one == name for one in BROKEN]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["A-CODE"], "observed"),
        (["A-CODE", "A-COMMIT"], "decided"),
        (["A-CODE", "A-COMMIT", "A-MANUAL"], "documented"),
        (["A-UNKNOWN"], None),
        (["A-CODE", "A-UNKNOWN"], None),
        (["A-MANUAL", "A-UNKNOWN"], "documented"),
        ([], None),
    ],
)
def test_the_firmest_promise_counts(names: list[str], kind: str | None) -> None:
    assert evidence.kind_of(failed(*names), CATALOGUE) == kind


@pytest.mark.parametrize(
    "result",
    [
        failed("A-CODE", status=Status.PANIC),
        failed("A-CODE", message="no\n  WARNING: x", log="[    1.000000] WARNING: x"),
        failed("A-CODE", message=str(KernelFault("/proc/sys/kernel/tainted gained 0x200 (was 0x0)"))),
        failed("A-CODE", message=f"lost feature: fanotify; Linux 6.1 {MUST_HAVE}"),
    ],
    ids=["panic", "complaint", "taint", "lost-feature"],
)
def test_what_nothing_excuses(result: Result) -> None:
    assert evidence.kind_of(result, CATALOGUE) is None
    assert page.verdict(build([result], CATALOGUE)) == "1 of 1 kernel breaks 1 of 1 behaviour."


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["A-CODE"],
            "No kernel breaks a behaviour, but 1 differs from what was observed: 1 behaviour on 1 kernel.",
        ),
        (["A-COMMIT"], "1 of 1 kernel breaks 1 of 1 behaviour."),
        (
            ["A-MANUAL", "A-CODE"],
            "1 of 1 kernel breaks 1 of 2 behaviours; 1 more differs from what was observed.",
        ),
    ],
    ids=["observed", "decided", "both"],
)
def test_verdict_of_a_run(names: list[str], said: str) -> None:
    assert page.verdict(build([failed(name) for name in names], CATALOGUE)) == said


@pytest.mark.parametrize("name", BROKEN)
def test_allure_begins_with_the_kind_that_no_manual_promises(name: str) -> None:
    test, _ = allure_result.made(failed(name), CATALOGUE)
    begins = {"A-MANUAL": "no", "A-COMMIT": "decided: no", "A-CODE": "observed: kernel code only: no"}
    assert test.statusDetails.message == begins[name]
    assert [label.value for label in test.labels if label.name == "tag"] == [CATALOGUE[name].kind]


def test_page_and_summary_show_the_kind_of_each_behaviour() -> None:
    matrix = build([failed(*BROKEN)], CATALOGUE)
    html = page.html(matrix)
    assert [f"<small>{one.kind.basis}</small>" in html for one in CATALOGUE.values() if one.kind] == [
        True
    ] * 3
    assert "| A-CODE (observed: kernel code only): no |" in page.summary(matrix)
    assert [one["kind"] for one in document(matrix)["behaviours"]] == ["documented", "decided", "observed"]


def test_what_the_benchmark_makes_up_has_one() -> None:
    assert {one.kind for one in bench.catalogue(2).values()} == {Kind.DOCUMENTED}


@pytest.mark.parametrize("other", [Status.HANG, Status.LOST, Status.ERROR, Status.PASS])
def test_a_wrong_answer_breaks_a_behaviour_whatever_became_of_its_other_tests(other: Status) -> None:
    found = [Result("6.1", "6.1", "tcg", f"t::{one}", ["A-MANUAL"], one) for one in (Status.FAIL, other)]
    (row,) = build(found, {"A-MANUAL": CATALOGUE["A-MANUAL"]}).rows
    assert row.breaking == ["6.1"]
