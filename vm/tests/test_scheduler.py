# SPDX-License-Identifier: GPL-2.0-or-later
"""The distribution of kernels and tests, and the tests of a lost VM."""

import threading

import pytest

from vm.scheduler import NO_BOOTS, WORTH_A_VM, Scheduler

TESTS = [f"test_{number}" for number in range(20)]
MANY = [f"test_{number}" for number in range(3 * WORTH_A_VM)]


@pytest.fixture
def scheduler():
    return Scheduler(["6.1", "6.12"], losses=10)


@pytest.fixture
def begun(scheduler):
    """A scheduler with two kernels, each run by a place; 6.12 has collected its tests."""
    assert [scheduler.next_kernel(), scheduler.next_kernel()] == ["6.1", "6.12"]
    scheduler.collected("6.12", TESTS)
    return scheduler


def next_in_a_thread(scheduler, machine=""):
    """Request a kernel for a place, in a thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(scheduler.next_kernel(machine)))
    thread.start()
    return thread, found


def test_a_kernel_begins_without_waiting_for_another(begun):
    assert begun.take("6.12", 3, TESTS) == TESTS[:3]


def test_what_one_kernel_has_left_is_not_given_to_another(begun):
    begun.collected("6.1", TESTS)
    begun.take("6.12", 20, TESTS)
    assert begun.take("6.1", 20, TESTS) == TESTS


def test_vms_of_one_kernel_share_its_tests(begun):
    assert begun.take("6.12", 8, TESTS) + begun.take("6.12", 8, TESTS) == TESTS[:16]


def test_what_is_given_back_is_next(begun):
    begun.take("6.12", 8, TESTS)
    begun.give_back("6.12", TESTS[5:8])
    assert begun.take("6.12", 4, TESTS) == TESTS[5:9]


def test_a_vm_is_only_given_tests_that_it_has_collected(begun):
    assert begun.take("6.12", 8, TESTS[3:5]) == TESTS[3:5]
    assert begun.left("6.12") == 18


def test_a_test_that_was_collected_twice_runs_once(begun):
    begun.collected("6.1", ["test_a", "test_b", "test_a"])
    assert begun.take("6.1", 8, ["test_a", "test_b"]) == ["test_a", "test_b"]


def test_a_place_waits_while_more_may_come(begun):
    thread, found = next_in_a_thread(begun)
    thread.join(0.05)
    assert thread.is_alive()
    begun.collected("6.1", MANY)
    thread.join(10)
    assert found == ["6.1"]


def test_a_free_place_helps_no_kernel_that_has_little_left(begun):
    begun.collected("6.1", TESTS)
    thread, found = next_in_a_thread(begun)
    begun.leave("6.1")
    begun.take("6.12", 20, TESTS)
    begun.give_up("6.1")
    begun.leave("6.12")
    thread.join(10)
    assert found == [None]


def test_what_a_lost_vm_left_is_served_again(begun):
    begun.take("6.12", 8, TESTS)
    begun.give_back("6.12", TESTS[1:8])
    begun.leave("6.12")
    assert begun.next_kernel() == "6.12"


def test_a_kernel_that_never_collected_is_served_once(begun):
    begun.give_up("6.1")
    begun.leave("6.1")
    begun.take("6.12", 20, TESTS)
    begun.leave("6.12")
    assert begun.next_kernel() is None


def test_a_kernel_that_loses_too_many_is_given_up():
    scheduler = Scheduler(["6.12"], losses=1)
    scheduler.collected("6.12", TESTS)
    assert [scheduler.lost("6.12", came_up=True) for _ in range(2)] == [True, False]
    assert scheduler.give_up("6.12") == TESTS
    assert scheduler.take("6.12", 8, TESTS) == []


def test_a_kernel_that_comes_up_no_more_is_given_up(begun):
    assert [begun.lost("6.12", came_up=False) for _ in range(NO_BOOTS)] == [True] * (NO_BOOTS - 1) + [False]


def test_one_that_comes_up_again_counts_anew(begun):
    answers = [begun.lost("6.12", came_up=number % 2 == 0) for number in range(6)]
    assert answers == [True] * 6


def test_a_stopped_session_starts_nothing(begun):
    begun.stop()
    assert begun.take("6.12", 8, TESTS) == []
    assert begun.next_kernel() is None


# --- machines -----------------------------------------------------------------------------------------------------


@pytest.fixture
def machines():
    """A scheduler with one kernel and a place on each of two machines, of which the first runs it."""
    scheduler = Scheduler(["6.12"], losses=10)
    for name in ("m1", "m2"):
        scheduler.enter(name)
    assert scheduler.next_kernel("m1") == "6.12"
    return scheduler


def test_a_kernel_that_does_not_come_up_is_tried_on_another_machine(machines):
    assert machines.lost("6.12", came_up=False, machine="m1")
    machines.leave("6.12")
    assert machines._wanting("m1") is None
    assert machines.next_kernel("m2") == "6.12"


def test_a_kernel_that_comes_up_nowhere_is_given_up(machines):
    assert machines.lost("6.12", came_up=False, machine="m1")
    machines.leave("6.12")
    machines.next_kernel("m2")
    assert not machines.lost("6.12", came_up=False, machine="m2")


def test_a_kernel_goes_back_to_a_machine_when_no_other_is_left(machines):
    machines.lost("6.12", came_up=False, machine="m1")
    machines.leave("6.12")
    machines.quit("m2")
    assert machines.next_kernel("m1") == "6.12"


def test_a_place_waits_for_what_another_machine_may_leave(machines):
    machines.lost("6.12", came_up=False, machine="m1")
    machines.leave("6.12")
    thread, found = next_in_a_thread(machines, "m1")
    machines.quit("m2")
    thread.join(timeout=30)
    assert found == ["6.12"]


def test_a_machine_that_fails_is_not_the_kernels_fault(machines):
    for _ in range(NO_BOOTS + 1):
        assert machines.machine_lost("6.12")
    machines.leave("6.12")
    machines.quit("m1")
    assert machines.next_kernel("m2") == "6.12"


def test_what_no_machine_is_left_for_is_known(machines):
    machines.collected("6.12", TESTS)
    machines.take("6.12", 5, TESTS)
    for name in ("m1", "m2"):
        machines.quit(name)
    machines.leave("6.12")
    assert machines.abandoned() == {"6.12": TESTS[5:]}
    assert machines.abandoned() == {}
