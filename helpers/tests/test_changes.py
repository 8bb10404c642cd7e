# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer that has changed is that of the kernel on which the test runs."""

import functools

import pytest

from helpers import features
from helpers.changes import changed_by
from helpers.features import Feature
from helpers.uapi import FAN_OPEN, FAN_RENAME, FAN_REPORT_MNT, FAN_REPORT_PIDFD

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("nothing_known")

HEAD = """
from errno import *
import pytest
from helpers.changes import changed_by
from helpers.features import Feature
from helpers.uapi import FAN_RENAME
pytestmark = pytest.mark.behaviour("INIT-BASIC")
"""


def run(suite: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    (suite.path / "suites" / "fanotify_init" / "test_it.py").write_text(HEAD + test)
    return suite.runpytest_inprocess("suites", *options)


def answer(monkeypatch: pytest.MonkeyPatch, **answers: bool) -> None:
    for name, there in {"FANOTIFY": True, **answers}.items():
        monkeypatch.setitem(features._PROBES, Feature[name], (functools.partial(bool, there),))


TWICE = """
@changed_by(FAN_RENAME, before=ENXIO, after=EPERM)
@changed_by(Feature.WEAK_FSID, before=EPERM, after=0)
def test_it(answer): assert answer == {}
"""
ROWS = """
@pytest.mark.parametrize("row", ["same", "other"])
@changed_by(FAN_RENAME, before=ENXIO, after=lambda row: ENXIO if row == "same" else EPERM)
def test_it(row, answer): assert answer == (ENXIO if row == "same" else EPERM)
"""


@pytest.mark.parametrize(
    ("there", "due"), [([], "ENXIO"), (["RENAME"], "EPERM"), (["RENAME", "WEAK_FSID"], "0")]
)
def test_answer_is_that_of_this_kernel(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, there: list[str], due: str
) -> None:
    answer(monkeypatch, RENAME="RENAME" in there, WEAK_FSID="WEAK_FSID" in there)
    run(suite, TWICE.format(due), "--baseline", "none").assert_outcomes(passed=1)


def test_answer_may_depend_on_parameters(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, RENAME=True)
    run(suite, ROWS, "--baseline", "none").assert_outcomes(passed=2)


def test_row_for_which_nothing_has_changed_asks_for_no_feature(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, RENAME=False)
    (suite.path / "list.toml").write_text('features = ["RENAME", "FANOTIFY"]')
    result = run(suite, ROWS, "--baseline", "list.toml")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*LostFeature: lost feature: FAN_RENAME*"])


def test_what_has_changed_is_listed(suite: pytest.Pytester) -> None:
    run(suite, TWICE, "--list").stdout.fnmatch_lines(
        ["    answer: ENXIO, EPERM with RENAME 5.17, ok with WEAK_FSID 6.8"]
    )
    assert "answer" in (rows := run(suite, ROWS, "--list").stdout.str()).partition("[other]")[2]
    assert "answer" not in rows.partition("[other]")[0]


RENAME = "@changed_by(FAN_RENAME, before=1, after=2)"
WEAK_FSID = "@changed_by(Feature.WEAK_FSID, before=3, after=4)"
WRONG = {
    "out-of-order": (
        f"{RENAME}\n{WEAK_FSID}\ndef test_it(answer): pass",
        "after RENAME the answer is 2, before WEAK_FSID it is 3: which is it between them[?]",
    ),
    "not-asked-for": (f"{RENAME}\ndef test_it(): pass", "takes the argument 'answer'"),
    "not-declared": ("def test_it(answer): pass", "takes the argument 'answer'"),
    "parameter-too": (
        f"@pytest.mark.parametrize('answer', [1])\n{RENAME}\ndef test_it(answer): pass",
        "takes the argument 'answer'",
    ),
}


@pytest.mark.parametrize(("test", "said"), WRONG.values(), ids=WRONG)
def test_mistake(suite: pytest.Pytester, test: str, said: str) -> None:
    result = run(suite, test)
    result.stdout.fnmatch_lines([f"*::test_it*: *{said}*"])
    result.assert_outcomes(errors=1)


@pytest.mark.parametrize("what", [FAN_OPEN, [FAN_RENAME, FAN_REPORT_MNT], FAN_REPORT_PIDFD | FAN_REPORT_MNT])
def test_one_feature_changes_an_answer(what: object) -> None:
    with pytest.raises(ValueError, match="must name one"):
        changed_by(what, before=1, after=2)  # type: ignore[arg-type]
