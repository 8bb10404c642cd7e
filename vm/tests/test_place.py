# SPDX-License-Identifier: GPL-2.0-or-later
"""A place survives whatever its VMs do: the right test is blamed, and the others run in a new VM."""

import threading
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from vm import place, protocol
from vm.conversation import Changed, Said
from vm.errors import MachineLostError
from vm.life import Ending, State
from vm.place import Free, GivenUp, Lost, Place
from vm.scheduler import NO_BOOTS, Scheduler
from vm.tests.guests import TESTS, Guest, Machine, no_boot, told
from vm.tests.sessions import wait_until


def good(guest):
    guest.serve()


def passed(events):
    return [
        event.test
        for event in events
        if isinstance(event, Said)
        and isinstance(event.event, protocol.Phase)
        and (event.event.when, event.event.outcome) == ("teardown", "passed")
    ]


def states(events):
    return [event.state for event in events if isinstance(event, Changed)]


def lost(events):
    return [event for event in events if isinstance(event, Lost)]


def test_an_ordinary_life(tmp_path):
    events = told(tmp_path, good)
    assert states(events) == list(State)
    assert passed(events) == TESTS


def after_one(then):
    """Return a guest that runs the first test, starts the second, and then calls `then`."""

    def guest(guest: Guest) -> None:
        guest.begin()
        guest.commands()
        guest.run(0)
        guest.phase(1, "setup")
        then(guest)

    return guest


def silent(guest):
    guest.lines.readline()
    threading.Event().wait(60)


FAULTS = {
    "it vanishes": (lambda _: None, Ending.PANIC, "Kernel panic: test"),
    "it is silent": (silent, Ending.HANG, "no sign of life"),
    "it sends garbage": (lambda g: g.port.sendall(b"\0\xffgarbage\n"), Ending.NONSENSE, "not JSON"),
    "it sends xdist's events": (
        lambda g: g.tell("warning_recorded", message_module="os", message_class_name="system"),
        Ending.NONSENSE,
        "an event that there is not",
    ),
    "it reports another test": (lambda g: g.run(3), Ending.NONSENSE, "a test that it was not running"),
    "it reports a test twice": (lambda g: g.run(0), Ending.NONSENSE, "a test that it was not running"),
    "it collects again": (lambda g: g.begin(), Ending.NONSENSE, "said twice"),
    "pytest.exit": (
        lambda g: g.tell("finished", code=2, reason="enough"),
        Ending.LOST,
        "before its time: enough",
    ),
    "KeyboardInterrupt": (lambda g: g.tell("finished", code=2, reason=""), Ending.LOST, "exit code 2"),
    "pytest fails": (
        lambda g: g.tell("internal-error", text="Traceback\nValueError: list.remove(x)\n"),
        Ending.LOST,
        "before its time: ValueError: list.remove(x)",
    ),
    "it is left unclean": (
        lambda g: g.tell("unclean", text="/proc is gone"),
        Ending.UNCLEAN,
        "/proc is gone",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_the_test_that_ran(tmp_path, name):
    fault, ending, reason = FAULTS[name]
    events = told(tmp_path, after_one(fault), good, silence=0.5 if ending is Ending.HANG else 30)
    (loss,) = lost(events)
    assert (loss.ending, loss.test, loss.again) == (ending, TESTS[1], True)
    assert reason in loss.reason
    assert passed(events) == [TESTS[0], *TESTS[2:]]


def test_a_guest_that_goes_back_on_its_word_changes_no_result(tmp_path):
    fault = after_one(lambda g: [g.phase(1, when) for when in ("call", "teardown", "call")])
    events = told(tmp_path, fault, good)
    (loss,) = lost(events)
    assert (loss.ending, loss.test) == (Ending.NONSENSE, "")
    assert "a report of a test that was over" in loss.reason
    assert passed(events) == TESTS


def test_nothing_goes_on_after_the_last_test(tmp_path):
    def guest(guest: Guest) -> None:
        guest.begin()
        guest.commands()
        for number in range(len(TESTS) - 1):
            guest.run(number)
        guest.phase(len(TESTS) - 1, "setup")

    (loss,) = lost(told(tmp_path, guest))
    assert (loss.test, loss.again) == (TESTS[-1], False)


def test_a_test_whose_last_report_has_come_is_not_blamed(tmp_path):
    def guest(guest: Guest) -> None:
        guest.begin()
        guest.commands()
        for when in ("setup", "call", "teardown"):
            guest.phase(0, when)

    events = told(tmp_path, guest, good)
    assert lost(events)[0].test == ""
    assert passed(events) == TESTS


def nothing(_: Guest) -> None:
    """Send nothing and end."""


EARLY: dict[str, Any] = {
    "it does not boot": (no_boot(), Ending.HANG, State.BOOTING),
    "it can not be started": (OSError(28, "No space left on device"), Ending.LOST, State.BOOTING),
    "it ends before pytest begins": (nothing, Ending.PANIC, State.READY),
    "it ends before it collects": (lambda g: g.tell("ready"), Ending.PANIC, State.CONNECTED),
    "it stands still while it collects": (
        lambda g: (g.tell("ready"), g.tell("collecting", name="suites/test_a.py"), silent(g)),
        Ending.HANG,
        State.CONNECTED,
    ),
    "it stands still before pytest begins": (silent, Ending.HANG, State.READY),
    "it is done without collecting": (
        lambda g: (g.tell("ready"), g.tell("finished", code=4, reason="")),
        Ending.LOST,
        State.CONNECTED,
    ),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_kernel_that_never_collects_is_lost_once(tmp_path, name, monkeypatch):
    monkeypatch.setattr(place, "TO_COLLECT", 0.5)
    guest, ending, stage = EARLY[name]
    (loss,) = lost(told(tmp_path, guest, silence=0.5))
    assert (loss.ending, loss.stage, loss.test, loss.again) == (ending, stage, "", False)


def test_the_file_that_was_being_collected_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "TO_COLLECT", 0.5)
    (loss,) = lost(told(tmp_path, EARLY["it stands still while it collects"][0], silence=0.5))
    assert loss.reason.endswith("while it collected suites/test_a.py")


@pytest.mark.parametrize("name", EARLY)
def test_a_replacement_that_does_not_come_up_is_tried_again(tmp_path, name, monkeypatch):
    monkeypatch.setattr(place, "TO_COLLECT", 0.5)
    events = told(tmp_path, after_one(nothing), EARLY[name][0], good, silence=5)
    assert [loss.again for loss in lost(events)] == [True, True]
    assert passed(events) == [TESTS[0], *TESTS[2:]]


def test_a_kernel_that_comes_up_no_more_is_given_up(tmp_path):
    events = told(tmp_path, after_one(nothing), *[no_boot()] * NO_BOOTS)
    (given_up,) = [event for event in events if isinstance(event, GivenUp)]
    assert list(given_up.tests) == TESTS[2:]


def test_a_fresh_vm_that_collects_other_tests_runs_those_that_are_known(tmp_path):
    def other(guest: Guest) -> None:
        guest.begin([TESTS[4], "suites/test_new.py::test_new", TESTS[2]])
        for number in guest.commands():
            guest.run(number)

    events = told(tmp_path, after_one(nothing), other, *[no_boot()] * NO_BOOTS)
    assert passed(events) == [TESTS[0], TESTS[2], TESTS[4]]
    assert [list(event.tests) for event in events if isinstance(event, GivenUp)] == [[TESTS[3]]]


# --- places on several machines -----------------------------------------------------------------------------------


def no_vm(_: str) -> Any:
    pytest.fail("it has a VM")


def described(vm: Any, _: str) -> Any:
    return vm


def told_by_two(directory, guest, failure=None):
    """Run places for one kernel, first on m1, whose VM has this guest, then on m2, whose VM is correct."""
    events: SimpleQueue[Any] = SimpleQueue()
    scheduler = Scheduler(["6.12"], losses=0)
    vms: dict[str, Any] = {
        "m1": Machine("6.12", directory, 1, guest),
        "m2": Machine("6.12", directory, 2, good),
    }
    if failure:
        vms["m1"].wait = failure
    places = [
        Place(events, scheduler, partial(described, vms[name]), 30, lambda _: {}, where=name) for name in vms
    ]
    for opened in places:
        scheduler.enter(opened._where)
    found = []
    for opened in places:
        opened._serve()
        while not events.empty():
            found.append(events.get())
    return found


def gone(_: float) -> bool:
    raise MachineLostError("m1 was lost: it rained")


def test_a_machine_that_fails_costs_no_kernel_anything(tmp_path):
    events = told_by_two(tmp_path, MachineLostError("m1: No space left on device"))
    assert passed(events) == TESTS
    assert [event.reason for event in events if isinstance(event, Free)] == [
        "m1: No space left on device",
        "",
    ]
    assert [(loss.test, loss.again) for loss in lost(events)] == [("", True)]


def test_a_machine_that_is_lost_costs_the_test_that_ran_there(tmp_path):
    events = told_by_two(tmp_path, after_one(nothing), gone)
    assert passed(events) == [TESTS[0], *TESTS[2:]]
    (loss,) = lost(events)
    assert (loss.test, loss.ending, loss.reason) == (TESTS[1], Ending.LOST, "m1 was lost: it rained")


def test_without_any_machine_the_tests_are_given_up(tmp_path):
    events = told(tmp_path, MachineLostError("m1: No space left on device"))
    (loss,) = lost(events)
    assert (loss.reason, loss.again) == ("m1: No space left on device", False)


def test_a_machine_that_can_not_be_made_ready_takes_no_kernel(tmp_path):
    def prepare(_):
        raise MachineLostError("m1 is too slow")

    events: SimpleQueue[Any] = SimpleQueue()
    scheduler = Scheduler(["6.12"], losses=0)
    Place(events, scheduler, no_vm, 30, lambda _: {}, where="m1", prepare=prepare)._serve()
    assert events.get().reason == "m1 is too slow"
    assert scheduler.abandoned() == {"6.12": []}


def test_a_place_that_is_stopped_while_it_is_made_ready_ends():
    events: SimpleQueue[Any] = SimpleQueue()
    asked = threading.Event()

    def prepare(stopped):
        while not stopped():
            asked.set()

    opened = Place(events, Scheduler(["6.12"], losses=0), no_vm, 30, lambda _: {}, prepare=prepare)
    opened.start()
    asked.wait(30)
    opened.stop()
    assert events.get(timeout=30) == Free("")
    opened.join()


def test_nothing_is_left_open(tmp_path):
    def opened():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    told(tmp_path, after_one(lambda g: g.port.sendall(b"garbage\n")), good)
    wait_until(lambda: opened() <= before, "the stand-ins to close theirs", patience=30)
