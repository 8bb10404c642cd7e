# SPDX-License-Identifier: GPL-2.0-or-later
"""Unexpected answers are told by names."""

import os
from errno import EBADF, EINVAL, EOPNOTSUPP, EPERM

import pytest

from helpers.errors import (
    OK,
    UnexpectedAnswer,
    by_behaviour,
    cases,
    errno_name,
    expect,
    expect_errno,
    outcome,
)
from helpers.uapi import Init


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
        expect(expected, Call(actual).mark, Init.REPORT_FID | Init.REPORT_TID)
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
    first, second = cases((Init.REPORT_NAME, EINVAL), (Init.REPORT_FID, Init.CLOEXEC, OK))
    assert (first.id, first.values) == ("FAN_REPORT_NAME-EINVAL", (Init.REPORT_NAME, EINVAL))
    assert second.id == "FAN_REPORT_FID-FAN_CLOEXEC-ok"


def test_cases_by_behaviour_are_marked() -> None:
    (case,) = by_behaviour({"INIT-FID": [(Init.REPORT_FID, OK)]})
    assert [mark.mark.args for mark in case.marks if isinstance(mark, pytest.MarkDecorator)] == [
        ("INIT-FID",)
    ]
