# SPDX-License-Identifier: GPL-2.0-or-later
"""Unexpected answers are reported by name."""

import os
import subprocess
from collections.abc import Callable
from errno import EBADF, EINVAL, ENOSPC, EOPNOTSUPP, EPERM
from pathlib import Path
from signal import SIGKILL

import pytest

from helpers.children import in_child
from helpers.errors import (
    OK,
    Deviation,
    UnexpectedAnswer,
    by_behaviour,
    cases,
    errno_name,
    expect,
    expect_errno,
    hold_to_rules,
    judged,
    outcome,
    parameter_id,
)
from helpers.fanotify import fanotify_mark
from helpers.uapi import FAN_CLOEXEC, FAN_DENY, FAN_REPORT_FID, FAN_REPORT_NAME, FAN_REPORT_TID, SI_TKILL


class Call:
    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def mark(self, flags: int) -> "Call":
        if self.answer:
            raise OSError(self.answer, f"mark({flags})")
        return self

    def __repr__(self) -> str:
        return "<group>"


def fail_without_a_number() -> None:
    raise OSError("no number")


def test_names() -> None:
    assert [errno_name(code) for code in (OK, EPERM, EOPNOTSUPP, 524)] == [
        "ok",
        "EPERM",
        "EOPNOTSUPP",
        "errno 524",
    ]


def test_outcome_closes_what_it_got() -> None:
    call = Call(OK)
    assert outcome(call.mark, 0) == OK
    assert call.closed == 1
    assert outcome(Call(EINVAL).mark, 0) == EINVAL


def test_outcome_is_for_answers_of_the_kernel() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome(lambda: 1 // 0)
    with pytest.raises(OSError, match="no number"):
        outcome(fail_without_a_number)


def test_expected_answers_pass() -> None:
    expect(OK, Call(OK).mark, 0)
    expect(EPERM, Call(EPERM).mark, 0)
    with expect_errno(EBADF, "close"):
        os.close(-1)


@pytest.mark.parametrize(
    ("expected", "actual", "words"),
    [(EINVAL, OK, "expected EINVAL, answered ok"), (OK, EPERM, "expected ok, answered EPERM")],
)
def test_unexpected_answer_names_everything(expected: int, actual: int, words: str) -> None:
    with pytest.raises(UnexpectedAnswer) as error:
        expect(expected, Call(actual).mark, FAN_REPORT_FID | FAN_REPORT_TID)
    assert str(error.value) == f"<group>.mark(FAN_REPORT_TID|FAN_REPORT_FID): {words}"


def test_expect_errno_names_what_it_was() -> None:
    with (
        pytest.raises(UnexpectedAnswer, match=r"^close: expected EINVAL, answered EBADF$"),
        expect_errno(EINVAL, "close"),
    ):
        os.close(-1)
    with (
        pytest.raises(UnexpectedAnswer, match=r"^nothing: expected EINVAL, answered ok$"),
        expect_errno(EINVAL, "nothing"),
    ):
        pass


def test_cases_have_readable_ids() -> None:
    first, second = cases((FAN_REPORT_NAME, EINVAL), (FAN_REPORT_FID, FAN_CLOEXEC, OK))
    assert (first.id, first.values) == ("FAN_REPORT_NAME-EINVAL", (FAN_REPORT_NAME, EINVAL))
    assert second.id == "FAN_REPORT_FID-FAN_CLOEXEC-ok"


@pytest.mark.parametrize(
    ("name", "value", "spelled"),
    [
        ("answer", OK, "ok"),
        ("answer", EPERM, "EPERM"),
        ("answer", True, None),
        ("answer", FAN_DENY, None),
        ("room", EPERM, None),
        ("signal", SIGKILL, "SIGKILL"),
        ("code", SI_TKILL, "SI_TKILL"),
    ],
)
def test_parameters_stand_in_ids_by_name(name: str, value: object, spelled: str | None) -> None:
    assert parameter_id(name, value) == spelled


def test_cases_by_behaviour_are_marked() -> None:
    (case,) = by_behaviour({"INIT-FID": [(FAN_REPORT_FID, OK)]})
    assert [mark.mark.args for mark in case.marks if isinstance(mark, pytest.MarkDecorator)] == [
        ("INIT-FID",)
    ]


def refusal(call: Callable[[], object]) -> BaseException:
    """Return the exception that is reported for a test that ended with this call."""
    with pytest.raises((OSError, ExceptionGroup)) as raised:
        call()
    return judged(raised.value)


def run_what_is_not_there() -> None:
    subprocess.run(["/nowhere/mkfs"], check=True)


def by_helpers() -> None:
    fanotify_mark(-1, 0x1, 0x20)


def by_python() -> None:
    Path("/nowhere").read_text()


def by_a_child() -> None:
    in_child(by_python)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (by_helpers, "fanotify_mark(-1, FAN_MARK_ADD, FAN_OPEN, -100, None): EBADF (Bad file descriptor)"),
        (by_python, "Path(\"/nowhere\").read_text(): ENOENT (No such file or directory: '/nowhere')"),
        (by_a_child, "in_child(by_python): ENOENT (No such file or directory: '/nowhere')"),
    ],
)
def test_a_refused_call_is_a_wrong_answer_that_names_it(call: Callable[[], object], said: str) -> None:
    answer = refusal(call)
    assert isinstance(answer, UnexpectedAnswer)
    assert str(answer) == said


def no_room() -> None:
    raise OSError(ENOSPC, os.strerror(ENOSPC), "/file")


@pytest.mark.parametrize("call", [run_what_is_not_there, no_room, fail_without_a_number])
def test_what_is_no_answer_of_the_kernel(call: Callable[[], object]) -> None:
    assert isinstance(refusal(call), OSError)


def test_no_room_for_marks_is_an_answer() -> None:
    def call() -> None:
        raise OSError(ENOSPC, "fanotify_mark(3): ENOSPC (No space left on device)")

    assert isinstance(refusal(call), UnexpectedAnswer)


def test_of_several_exceptions_each_is_judged() -> None:
    def call() -> None:
        raise ExceptionGroup("both", [KeyError("x"), OSError(EPERM, os.strerror(EPERM))])

    group = refusal(call)
    assert isinstance(group, ExceptionGroup)
    assert [type(each) for each in group.exceptions] == [KeyError, UnexpectedAnswer]


def test_rules_blame_the_behaviours_that_deviate() -> None:
    found = [Deviation("B-2", f"call {number}") for number in range(9)] + [Deviation("B-7", "another")]
    with pytest.raises(UnexpectedAnswer) as raised:
        hold_to_rules(found)
    assert raised.value.behaviours == ("B-2", "B-7")
    assert str(raised.value).splitlines() == [
        "B-2: call 0 (wrong answers: 9)",
        "  call 1",
        "  call 2",
        "B-7: another (wrong answers: 1)",
    ]
    hold_to_rules([])


def test_blame_travels_from_a_child() -> None:
    with pytest.raises(UnexpectedAnswer) as raised:
        in_child(lambda: hold_to_rules([Deviation("B-2", "call")]))
    assert raised.value.behaviours == ("B-2",)
