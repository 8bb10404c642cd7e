# SPDX-License-Identifier: GPL-2.0-or-later
"""Actors: each step leads to the state that it promises, and nothing is left behind."""

import os
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import actors, skips
from helpers.descriptors import open_descriptors
from helpers.errors import UnexpectedAnswer
from helpers.events import MalformedEvent


@pytest.fixture(autouse=True)
def nothing_is_left(children: Callable[[], set[int]]) -> Iterator[None]:
    before = open_descriptors(), set(Path("/proc/self/task").iterdir()), children()
    yield
    assert (open_descriptors(), set(Path("/proc/self/task").iterdir()), children()) == before


def test_live_actor_has_acted_and_holds(tmp_path: Path) -> None:
    with actors.live((tmp_path / "acted").touch) as actor:
        assert (tmp_path / "acted").exists()
        assert actors.process_state(actor.pid) in "SR"


def test_zombie_has_exited_and_can_be_reaped() -> None:
    with actors.zombie(os.getpid, status=3) as actor:
        assert actors.process_state(actor.pid) == "Z"
        assert actor.reap() == 3


def test_reaped_actor_is_gone() -> None:
    with actors.reaped(os.getpid) as actor, pytest.raises(ProcessLookupError):
        os.kill(actor.pid, 0)


def test_actor_may_act_again() -> None:
    numbers = iter((1, 2))
    with actors.Actor(lambda: next(numbers)) as actor:
        assert (actor.act(), actor.act()) == (1, 2)


def test_leaderless_actor_acts_without_its_leader() -> None:
    with actors.LeaderlessActor(lambda: (os.getpid(), threading.get_native_id())) as actor:
        assert actors.process_state(actor.pid) == "Z"
        pid, tid = actor.act()
        assert pid == actor.pid != tid
        actor.exit(5)
        assert actor.reap() == 5


def test_thread_actor_acts_and_is_gone() -> None:
    with actors.ThreadActor(threading.get_native_id) as actor:
        assert actor.act() == actor.tid != threading.get_native_id()
    assert not Path(f"/proc/self/task/{actor.tid}").exists()


def test_thread_actor_raises_what_its_act_raised() -> None:
    with actors.ThreadActor(Path("/no such file").stat) as actor, pytest.raises(FileNotFoundError):
        actor.act()


def test_child_has_only_what_it_shall_keep() -> None:
    with Path("/dev/null").open("rb") as kept, Path("/dev/null").open("rb") as inherited:
        with actors.Actor(open_descriptors, keep=[kept.fileno()]) as actor:
            seen = actor.act()
        assert kept.fileno() in seen
        assert inherited.fileno() not in seen
        assert len(seen) == 5  # the three standard ones, the kept one and the channel


@pytest.mark.parametrize(
    "error",
    [
        OSError(13, "Permission denied"),
        UnexpectedAnswer("no"),
        skips.TypedSkip("kconfig", "no"),
        ValueError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_actor_raises_what_its_act_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with actors.Actor(fail) as actor, pytest.raises(type(error)) as caught:
        actor.act()
    assert str(caught.value) == str(error)


def test_an_exception_that_cannot_travel_keeps_its_kind() -> None:
    def fail() -> None:
        raise MalformedEvent(8, "pad is 1")

    with actors.Actor(fail) as actor, pytest.raises(AssertionError, match="offset 8: pad is 1"):
        actor.act()


def test_an_actor_that_dies_is_noticed() -> None:
    with actors.Actor(lambda: os._exit(1)) as actor, pytest.raises(actors.ActorDied):
        actor.act()


def test_leaving_kills_an_actor_in_the_middle_of_its_act() -> None:
    with actors.Actor(lambda: select.select([], [], [])) as actor:
        actor.start()
