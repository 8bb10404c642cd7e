# SPDX-License-Identifier: GPL-2.0-or-later
"""An unexpected answer of the kernel, told by names.

An answer is an errno as an integer, and OK (0) for success, so that tables of expected answers read like the
manual: `(Init.CLASS_CONTENT | Init.REPORT_FID, EINVAL)`.
"""

import contextlib
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MethodType
from typing import ParamSpec, TypeVar

import pytest
from _pytest.mark import ParameterSet

P = ParamSpec("P")
T = TypeVar("T")

OK = 0
"""The answer of a call which succeeds."""

# Where two names share a number Python knows the one which the manual pages of these interfaces do not use.
_NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}


class UnexpectedAnswer(AssertionError):  # noqa: N818 - an answer, not an error of ours
    """The kernel answered, but not what it promises."""


def errno_name(answer: int) -> str:
    """Return "EINVAL" for 22, "ok" for 0, and the number itself for an errno without a name."""
    return "ok" if answer == OK else _NAMES.get(answer, f"errno {answer}")


def spell(value: object) -> str:
    """Return an argument the way a person would write it: flags and callables by name."""
    owner = f"{value.__self__}." if isinstance(value, MethodType) else ""
    return owner + str(getattr(value, "__name__", value))


def spell_call(call: Callable[..., object], arguments: Iterable[object]) -> str:
    """Return `fanotify_init(FAN_REPORT_PIDFD|FAN_REPORT_TID, O_RDONLY)`."""
    return f"{spell(call)}({', '.join(map(spell, arguments))})"


def outcome(call: Callable[P, object], *arguments: P.args, **keywords: P.kwargs) -> int:
    """Make a call and return its answer; what the call returns is closed if it can be, and forgotten."""
    try:
        result = call(*arguments, **keywords)
    except OSError as error:
        return _answer(error)
    if hasattr(result, "close"):
        result.close()
    return OK


def expect(answer: int, call: Callable[P, object], *arguments: P.args, **keywords: P.kwargs) -> None:
    """Make a call and hold the kernel to this answer; raise UnexpectedAnswer otherwise."""
    actual = outcome(call, *arguments, **keywords)
    if actual != answer:
        what = spell_call(call, (*arguments, *keywords.values()))
        raise UnexpectedAnswer(f"{what}: expected {errno_name(answer)}, answered {errno_name(actual)}")


@contextlib.contextmanager
def expect_errno(answer: int, what: str) -> Iterator[None]:
    """Hold the body to an errno; `what` names the call for the message. Raise UnexpectedAnswer otherwise."""
    try:
        yield
    except OSError as error:
        if error.errno == answer:
            return
        actual = _answer(error)
        raise UnexpectedAnswer(
            f"{what}: expected {errno_name(answer)}, answered {errno_name(actual)}"
        ) from error
    raise UnexpectedAnswer(f"{what}: expected {errno_name(answer)}, answered ok")


def _answer(error: OSError) -> int:
    if error.errno is None:  # Not from a system call, so no answer of the kernel.
        raise error
    return error.errno


Row = tuple[object, ...]
"""Arguments of a call, and as the last column the answer."""


def cases(*rows: Row, marks: Sequence[pytest.MarkDecorator] = ()) -> list[ParameterSet]:
    """Turn rows of (argument, ..., expected answer) into parameters with ids like FAN_REPORT_NAME-EINVAL."""
    return [
        pytest.param(*row, id="-".join([*map(spell, row[:-1]), errno_name(int(str(row[-1])))]), marks=marks)
        for row in rows
    ]


def by_behaviour(table: Mapping[str, Sequence[Row]]) -> list[ParameterSet]:
    """Turn a table of rows by behaviour into the parameters of one test, each marked with its behaviour."""
    return [
        case
        for behaviour, rows in table.items()
        for case in cases(*rows, marks=[pytest.mark.behaviour(behaviour)])
    ]
