# SPDX-License-Identifier: GPL-2.0-or-later
"""Running a function in a forked child, and returning its result, its exception, or how it died.

The child starts as a copy of the test. Changes to its credentials, namespaces, limits or descriptors end with it. An
unprivileged child may be unable to import further modules.
"""

import os
import pickle
import signal
import struct
import traceback
import warnings
from collections.abc import Callable
from typing import NoReturn, TypeVar, cast

from helpers.waiting import DeadlinePassed, readable

T = TypeVar("T")

_LENGTH = struct.Struct("=Q")


class ChildDied(AssertionError):  # noqa: N818 - what happened
    """The child ended without an answer; the message has the signal's name or the exit status.

    Exceptions of its own code are returned, so a child without an answer was ended by the kernel.
    """


def fork() -> int:
    """Call fork(2) in a process that may have threads: the child must not need a lock that another thread may hold."""
    with warnings.catch_warnings():
        # Python 3.12 warns because of execnet's receiver thread, which holds no lock that a child takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_child(function: Callable[[], T], *steps: Callable[[], object], deadline: float = 10) -> T:
    """Fork, take the steps in the child, then call the function; return its result or raise its exception.

    Results must be picklable. `deadline` is in seconds, before scaling. Raises ChildDied if the child ends
    without an answer, and DeadlinePassed, after killing it, if it takes longer than that.
    """
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        os.close(reader)
        _answer(function, steps, writer)
    os.close(writer)
    try:
        message = _listen(child, reader, deadline)
    finally:
        os.close(reader)
    return cast("T", deliver(message))


def attempt(function: Callable[[], object]) -> bytes:
    """Call a function, and return its result or exception in a form that can be sent to another process."""
    try:
        return pickle.dumps((True, function()))
    except BaseException as error:  # noqa: BLE001 - the other process raises it again
        return _pickle_error(error)


def deliver(message: bytes) -> object:
    """Return the result that `attempt` packed, or raise its exception."""
    succeeded, value = pickle.loads(message)  # noqa: S301 - from our own child
    if succeeded:
        return cast("object", value)
    raise cast("BaseException", value)


def describe_death(status: int) -> str:
    """Return "killed by SIGSEGV" or "exited with status 3" for a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"


def _answer(function: Callable[[], object], steps: tuple[Callable[[], object], ...], writer: int) -> NoReturn:
    def take_steps() -> object:
        for step in steps:
            step()
        return function()

    message = attempt(take_steps)
    with open(writer, "wb") as pipe:
        pipe.write(_LENGTH.pack(len(message)) + message)
    os._exit(0)


def _pickle_error(error: BaseException) -> bytes:
    trace = "".join(traceback.format_exception(error))
    error.add_note(f"in the child:\n{trace}")
    try:
        pickle.loads(message := pickle.dumps((False, error)))  # noqa: S301 - made one line above
    except Exception:  # noqa: BLE001 - classes decide how they pickle, and may fail in any way
        kind = AssertionError if isinstance(error, (AssertionError, OSError)) else RuntimeError
        return pickle.dumps((False, kind(f"in the child:\n{trace}")))
    return message


def _listen(child: int, reader: int, deadline: float) -> bytes:
    try:
        message = _receive(reader, deadline)
    except DeadlinePassed:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    _, status = os.waitpid(child, 0)
    if message is None:
        raise ChildDied(f"the child ended without an answer: {describe_death(status)}")
    return message


def _receive(reader: int, deadline: float) -> bytes | None:
    readable(reader, "an answer of the child", deadline)
    with open(reader, "rb", closefd=False) as pipe:
        header = pipe.read(_LENGTH.size)
        return pipe.read(*_LENGTH.unpack(header)) if header else None
