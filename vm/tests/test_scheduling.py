# SPDX-License-Identifier: GPL-2.0-or-later
"""Who runs what, and what happens to the tests of a worker that is lost."""

from types import SimpleNamespace

import pytest

from vm.session import AHEAD, KernelScheduling

TESTS = [f"test_{number}" for number in range(20)]


class Worker:
    """What pytest-xdist's controller of a worker is to a scheduler; it only remembers what it was sent."""

    def __init__(self, kernel):
        self.workerinput = {"kernel": kernel}
        self.gateway = SimpleNamespace(id=kernel)
        self.sent = []
        self.shutting_down = False

    def send_runtest_some(self, indices):
        self.sent += indices

    def shutdown(self):
        self.shutting_down = True


@pytest.fixture
def scheduling():
    return KernelScheduling(more_to_come=lambda: False)


def begun(scheduling, worker, tests=TESTS):
    scheduling.add_node(worker)
    scheduling.add_node_collection(worker, tests)
    scheduling.schedule()
    return worker


def finish(scheduling, worker, count):
    for _ in range(count):
        scheduling.mark_test_complete(worker, worker.sent.pop(0))


def test_a_kernel_begins_without_waiting_for_another(scheduling):
    scheduling.add_node(Worker("6.1"))
    assert begun(scheduling, Worker("6.12")).sent == list(range(AHEAD))


def test_a_worker_never_holds_more_than_a_few_tests(scheduling):
    worker = begun(scheduling, Worker("6.12"))
    finish(scheduling, worker, 3)
    assert worker.sent == list(range(3, 3 + AHEAD))
    assert not worker.shutting_down


def test_a_worker_is_told_when_it_has_its_last_test(scheduling):
    worker = begun(scheduling, Worker("6.12"), TESTS[:3])
    assert worker.shutting_down


def test_the_session_lasts_until_every_test_is_done(scheduling):
    worker = begun(scheduling, Worker("6.12"), TESTS[:3])
    finish(scheduling, worker, 2)
    assert not scheduling.tests_finished
    finish(scheduling, worker, 1)
    assert scheduling.tests_finished


def test_kernels_that_wait_keep_the_session_alive():
    assert not KernelScheduling(more_to_come=lambda: True).tests_finished


def test_a_lost_worker_names_its_test_and_leaves_the_rest(scheduling):
    worker = begun(scheduling, Worker("6.12"))
    finish(scheduling, worker, 5)
    assert scheduling.remove_node(worker) == "test_5"
    assert scheduling.waiting("6.12") == len(TESTS[6:])
    assert not scheduling.tests_finished


def test_a_replacement_only_runs_what_was_left(scheduling):
    worker = begun(scheduling, Worker("6.12"))
    finish(scheduling, worker, 17)
    scheduling.remove_node(worker)
    assert begun(scheduling, Worker("6.12")).sent == [18, 19]


def test_what_one_kernel_left_is_not_given_to_another(scheduling):
    scheduling.remove_node(begun(scheduling, Worker("6.12")))
    assert begun(scheduling, Worker("6.1")).sent == list(range(AHEAD))


def test_a_test_whose_last_report_has_come_is_not_blamed(scheduling):
    worker = begun(scheduling, Worker("6.12"))
    scheduling.mark_test_reported(worker, "test_0")
    assert scheduling.remove_node(worker) == "test_1"
    assert scheduling.give_up("6.12") == TESTS[2:]


def test_the_last_test_leaves_nothing(scheduling):
    worker = begun(scheduling, Worker("6.12"), TESTS[:1])
    assert scheduling.remove_node(worker) == "test_0"
    assert scheduling.tests_finished


def test_a_worker_lost_before_it_collected_was_running_nothing(scheduling):
    worker = Worker("6.12")
    scheduling.add_node(worker)
    assert scheduling.remove_node(worker) is None
    assert not scheduling.has_collected(worker)


@pytest.fixture
def pair(scheduling):
    """Two workers of one kernel."""
    return begun(scheduling, Worker("6.12")), begun(scheduling, Worker("6.12"))


def test_workers_of_one_kernel_share_its_tests(pair):
    one, other = pair
    assert one.sent + other.sent == list(range(2 * AHEAD))


def test_what_a_lost_worker_leaves_goes_to_the_other(scheduling, pair):
    one, other = pair
    assert scheduling.remove_node(one) == "test_0"
    finish(scheduling, other, AHEAD)
    assert other.sent == [*range(1, AHEAD), 2 * AHEAD]


def test_a_worker_that_was_told_to_end_is_given_nothing_more(scheduling, pair):
    one, other = pair
    finish(scheduling, other, AHEAD)
    assert other.shutting_down
    assert scheduling.remove_node(one) == "test_0"
    scheduling.schedule()
    assert not set(other.sent) & set(range(AHEAD))
    assert scheduling.waiting("6.12") == AHEAD - 1


def test_a_worker_that_comes_late_is_given_nothing(scheduling):
    finish(scheduling, begun(scheduling, Worker("6.12"), TESTS[:1]), 1)
    late = begun(scheduling, Worker("6.12"), TESTS[:1])
    assert (late.sent, late.shutting_down) == ([], True)


def test_what_was_given_up_is_not_run_by_one_that_comes_late(scheduling, pair):
    assert scheduling.give_up("6.12") == TESTS[2 * AHEAD :]
    assert begun(scheduling, Worker("6.12")).sent == []
