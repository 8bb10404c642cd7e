# SPDX-License-Identifier: GPL-2.0-or-later
"""Unexpected answers of the kernel, with flags and errnos by name.

An answer is an errno as an integer, and OK (0) for success, so that tables of expected answers read like the
manual: `(FAN_CLASS_CONTENT | FAN_REPORT_FID, EINVAL)`.

A test that ends with an OSError got an answer that it did not expect, whichever system call failed: `judged` turns it
into an UnexpectedAnswer. That includes calls of Python's os module and calls in fixtures: a group can make open(2)
fail and a mark umount(2), and in a VM nothing else makes a call fail.
"""

import contextlib
import errno
import os
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Flag, IntEnum
from pathlib import Path
from types import MethodType
from typing import NamedTuple, ParamSpec, TypeVar

import pytest
from _pytest.mark import ParameterSet

P = ParamSpec("P")
T = TypeVar("T")

OK = 0
"""The answer of a successful call."""

# Of two names for one number, errno.errorcode has the one that the manual pages of these interfaces do not use.
_NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_PACKAGES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib"))
_MESSENGERS = ("helpers/children.py", "helpers/actors.py")
"""The modules that raise a child's exception again."""


class UnexpectedAnswer(AssertionError):  # noqa: N818 - an answer, not an error of ours
    """The kernel's answer is not the expected one.

    `behaviours` are the ids of those that were found broken, if a test checks many; () means all of the test's.
    """

    def __init__(self, text: str, behaviours: Iterable[str] = ()) -> None:
        """Set the message, and the behaviours that are broken."""
        super().__init__(text)
        self.behaviours = tuple(dict.fromkeys(behaviours))


def errno_name(answer: int) -> str:
    """Return "EINVAL" for 22, "ok" for 0, and the number itself for an errno without a name."""
    return "ok" if answer == OK else _NAMES.get(answer, f"errno {answer}")


def spell(value: object) -> str:
    """Return an argument as a person would write it: flags, signals and callables by name."""
    if isinstance(value, IntEnum):  # str() of signal.Signals and other IntEnums is a number
        return value.name
    owner = f"{value.__self__}." if isinstance(value, MethodType) else ""
    return owner + str(getattr(value, "__name__", value))


def spell_call(call: Callable[..., object], arguments: Iterable[object]) -> str:
    """Return `fanotify_init(FAN_REPORT_PIDFD|FAN_REPORT_TID, O_RDONLY)`."""
    return f"{spell(call)}({', '.join(map(spell, arguments))})"


def outcome(call: Callable[P, object], *arguments: P.args, **keywords: P.kwargs) -> int:
    """Make a call and return its answer; close its result if it has a close method."""
    try:
        result = call(*arguments, **keywords)
    except OSError as error:
        return _answer(error)
    if hasattr(result, "close"):
        result.close()
    return OK


def expect(answer: int, call: Callable[P, object], *arguments: P.args, **keywords: P.kwargs) -> None:
    """Make a call; raise UnexpectedAnswer unless it gives this answer."""
    __tracebackhide__ = True
    actual = outcome(call, *arguments, **keywords)
    if actual != answer:
        what = spell_call(call, (*arguments, *keywords.values()))
        raise UnexpectedAnswer(f"{what}: expected {errno_name(answer)}, answered {errno_name(actual)}")


@contextlib.contextmanager
def expect_errno(answer: int, what: str) -> Iterator[None]:
    """Raise UnexpectedAnswer unless the body fails with this errno; `what` names the call for the message."""
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
    if error.errno is None:  # Not from a system call, so not an answer of the kernel.
        raise error
    return error.errno


def judged(error: BaseException) -> BaseException:
    """Return the exception to report for a test that ended with `error`: UnexpectedAnswer if the kernel failed a call.

    Any other exception is an error of the suite, and returned unchanged. In a group each exception is converted.
    """
    if isinstance(error, BaseExceptionGroup):
        parts = [judged(each) for each in error.exceptions]
        return error.derive(parts).with_traceback(error.__traceback__)
    if not isinstance(error, OSError) or not _is_of_the_kernel(error):
        return error
    answer = UnexpectedAnswer(_told(error)).with_traceback(error.__traceback__)
    answer.__cause__, answer.__context__ = error.__cause__, error.__context__
    for note in getattr(error, "__notes__", ()):
        answer.add_note(note)
    return answer


def _is_of_the_kernel(error: OSError) -> bool:
    """Return whether the kernel failed a call; a missing program and a full disk do not count."""
    frames = traceback.extract_tb(error.__traceback__)
    a_program = bool(frames) and Path(frames[-1].filename).name == "subprocess.py"
    no_room = error.errno in _NO_ROOM and not _names_its_call(error)
    return error.errno is not None and not a_program and not no_room


def _names_its_call(error: OSError) -> bool:
    """Return whether helpers.syscalls made the call, so that the error has it with its arguments."""
    return error.strerror != os.strerror(error.errno or 0)


def _told(error: OSError) -> str:
    """Return the call, its flags and the errno; for a call by Python, the source line that makes it."""
    if _names_its_call(error):
        return str(error.strerror)
    ours = [
        frame.line or ""
        for frame in traceback.extract_tb(error.__traceback__)
        if not (frame.filename.startswith(_PACKAGES) or frame.filename.endswith(_MESSENGERS))
    ]
    call = ours[-1].removeprefix("return ").removesuffix(":") if ours else "a system call"
    where = f": {error.filename!r}" if error.filename is not None else ""
    return f"{call}: {errno_name(error.errno or 0)} ({error.strerror}{where})"


class Deviation(NamedTuple):
    """An answer that does not follow the rules of an interface: the behaviour of the rule, and the call and answers."""

    behaviour: str
    text: str


_SHOWN = 3


def hold_to_rules(found: Sequence[Deviation]) -> None:
    """Raise UnexpectedAnswer for exactly the behaviours that were found broken, with some answers of each."""
    __tracebackhide__ = True
    table: dict[str, list[str]] = {}
    for each in found:
        table.setdefault(each.behaviour, []).append(each.text)
    if table:
        shown = [
            "\n  ".join([f"{name}: {texts[0]} (wrong answers: {len(texts)})", *texts[1:_SHOWN]])
            for name, texts in table.items()
        ]
        raise UnexpectedAnswer("\n".join(shown), table)


Row = tuple[object, ...]
"""The arguments of a call, and in the last column the expected answer."""


def parameter_id(name: str, value: object) -> str | None:
    """Return the text of a parameter in a test's id, errnos and signals by name; None for pytest's default.

    A parameter called `answer` is an answer of the kernel, as everywhere here.
    """
    if isinstance(value, IntEnum):
        return spell(value)
    if name != "answer" or not isinstance(value, int) or isinstance(value, Flag | bool):
        return None
    return errno_name(value)


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
