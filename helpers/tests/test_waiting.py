# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting ends when the condition is true, at the latest at the deadline."""

import os
from collections.abc import Iterator

import pytest

from helpers import waiting
from helpers.waiting import DeadlinePassed, is_readable, readable, wait_until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_wait_until_returns_the_value() -> None:
    answers = iter(["", None, "done"])
    assert wait_until(lambda: next(answers), "an answer") == "done"
    assert list(answers) == []


def test_wait_until_names_what_did_not_happen() -> None:
    with pytest.raises(DeadlinePassed, match=r"^timed out after 0\.01 s, waiting for: rain$"):
        wait_until(lambda: False, "rain", deadline=0.01)


def test_deadlines_stretch_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SLOW", 3)
    with pytest.raises(DeadlinePassed, match=r"^timed out after 0\.03 s"):
        wait_until(lambda: False, "rain", deadline=0.01)


def test_readable_when_there_is_something(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert not is_readable(reader)
    os.write(writer, b"x")
    assert is_readable(reader)
    readable(reader, "a byte")


def test_readable_at_the_end_of_a_file() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        readable(file, "the end")


def test_readable_names_what_did_not_come(pipe: tuple[int, int]) -> None:
    with pytest.raises(DeadlinePassed, match=r"^timed out after 0\.01 s, waiting for: a byte$"):
        readable(pipe[0], "a byte", deadline=0.01)
