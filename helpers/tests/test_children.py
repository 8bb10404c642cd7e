# SPDX-License-Identifier: GPL-2.0-or-later
"""However a child ends, its parent is told."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from errno import ENOENT

import pytest

from helpers import skips
from helpers.children import ChildDied, in_child
from helpers.descriptors import open_descriptors
from helpers.errors import UnexpectedAnswer
from helpers.skips import TypedSkip
from helpers.waiting import DeadlinePassed


@pytest.fixture(autouse=True)
def nothing_is_left(children: Callable[[], set[int]]) -> Iterator[None]:
    before = open_descriptors(), children()
    yield
    assert (open_descriptors(), children()) == before


class Unpicklable(Exception):  # noqa: N818
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_result() -> None:
    assert in_child(lambda: {"pid": os.getppid()}) == {"pid": os.getpid()}


def test_large_result() -> None:
    assert len(in_child(lambda: bytes(1 << 20))) == 1 << 20


def test_steps_come_first_and_end_with_the_child() -> None:
    def step() -> None:
        os.environ["FAPITEST_STEP"] = "taken"

    assert in_child(lambda: os.environ.get("FAPITEST_STEP"), step) == "taken"
    assert "FAPITEST_STEP" not in os.environ


def test_exception_of_the_function_or_of_a_step() -> None:
    error = OSError(ENOENT, "gone")
    for arguments in ((fail(error),), (os.getpid, fail(error))):
        with pytest.raises(FileNotFoundError, match="gone") as raised:
            in_child(*arguments)
        assert "in the child:" in raised.value.__notes__[0]


def test_wrong_answer_stays_a_failure() -> None:
    with pytest.raises(UnexpectedAnswer, match="expected EINVAL"):
        in_child(fail(UnexpectedAnswer("expected EINVAL")))


def test_typed_skip_stays_one() -> None:
    with pytest.raises(TypedSkip, match="CONFIG_X") as skip:
        in_child(lambda: skips.kconfig("CONFIG_X"))
    assert skip.value.kind == "kconfig"


def test_exception_which_cannot_travel() -> None:
    with pytest.raises(RuntimeError, match="Unpicklable: 1 and 2"):
        in_child(fail(Unpicklable(1, 2)))


def test_death_by_signal_is_named() -> None:
    with pytest.raises(ChildDied, match="killed by SIGTERM"):
        in_child(lambda: signal.raise_signal(signal.SIGTERM))


def test_exit_without_an_answer() -> None:
    with pytest.raises(ChildDied, match="exited with status 3"):
        in_child(lambda: os._exit(3))


def test_hung_child_is_killed() -> None:
    with pytest.raises(DeadlinePassed, match="an answer of the child"):
        in_child(signal.pause, deadline=0.05)


def test_child_of_a_process_with_threads() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert in_child(threading.active_count) == 1
    finally:
        stop.set()
        thread.join()
