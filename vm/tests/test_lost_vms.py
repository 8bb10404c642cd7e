# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs with kernels that panic, hang, run out of memory or complain: real VMs, real faults."""

import json
import os
import shutil
import signal
import time

import pytest

from helpers.contract import manifest
from helpers.contract.results import read
from vm.console import LAST_LINES
from vm.tests import sessions

KERNELS = ("5.10", "7.3")
LOST = {
    "panic.py::test_panic": "panic",
    "hang.py::test_hang": "hang",
    "memory.py::test_out_of_memory": "lost",
}
FAILED = {
    "hang.py::test_time_limit": "fail",
    "complaint.py::test_taint": "fail",
    "both.py::test_both": "fail",
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    files = [f"{sessions.FAULTS}/{name}.py" for name in ("complaint", "both", "panic", "hang", "memory")]
    kernels = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    return sessions.run(
        *kernels,
        "--accel",
        "tcg",
        "--vm-silence",
        "15",
        *files,
        results=tmp_path_factory.mktemp("run") / "out",
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_only_the_tests_at_fault_are_hit(session, kernel):
    hit = {test: status for test, status in session.statuses(kernel).items() if status != "pass"}
    assert hit == LOST | FAILED, session.output


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_test_runs_exactly_once(session, kernel):
    names = [record["test"] for record in session.records() if record["kernel"] == kernel]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 20, session.output


@pytest.mark.parametrize("test", LOST)
def test_a_lost_test_keeps_the_end_of_the_console(session, test):
    record = next(r for r in session.records() if r["test"].endswith(test))
    assert 0 < len(record["console"].splitlines()) <= LAST_LINES


def test_a_panic_is_named(session):
    record = next(r for r in session.records() if r["status"] == "panic")
    assert "sysrq triggered crash" in record["message"]
    assert "Kernel panic - not syncing: sysrq triggered crash" in record["console"]


def test_a_complaint_names_the_taint(session):
    record = next(r for r in session.records() if r["test"].endswith("test_taint"))
    assert "tainted gained 0x200" in record["message"]


def test_a_wrong_answer_and_a_complaint_are_both_kept(session):
    record = next(r for r in session.records() if r["test"].endswith("test_both"))
    assert "assert '0' == 'EINVAL'" in record["message"]
    assert "tainted gained 0x4000" in record["message"]


def test_the_evidence_of_a_failure_comes_out_of_the_guest(session):
    record = next(r for r in session.records() if r["test"].endswith("test_both"))
    assert record["where"] == "vm/tests/faults/both.py:22"
    assert "said meanwhile" in record["kernel_log"]
    assert "said before" not in record["kernel_log"]
    assert "written meanwhile" in record["output"]
    assert "both.py:22: AssertionError" in record["traceback"]


def test_the_manifest_has_every_kernel_and_test(session):
    plan = manifest.read(session.results).manifest
    assert plan
    assert plan.how is manifest.End.COMPLETE
    assert {kernel: len(tests or ()) for kernel, tests in plan.planned.items()} == dict.fromkeys(KERNELS, 20)
    for kernel in plan.kernels.values():
        assert kernel.release.startswith(kernel.name)
        assert "SMP" in kernel.version
        assert (len(kernel.image), len(kernel.config), bool(kernel.packages)) == (64, 64, True)
    assert manifest.balance(plan, read(session.results / "results.jsonl").results).headline == "complete"


def test_what_the_guest_says_of_itself_is_kept(session):
    facts = json.loads((session.results / KERNELS[0] / "environment.json").read_text())
    assert facts["release"].startswith(KERNELS[0])
    assert facts["libc"]


def test_allure_has_every_test_of_every_kernel(session):
    stories = list((session.results / "allure-results").glob("*-result.json"))
    assert len(stories) == len(session.records())


def test_each_kernel_has_its_junit_file(session):
    assert all((session.results / kernel / "junit.xml").is_file() for kernel in KERNELS)


def test_no_vm_is_left(session):
    assert session.virtual_machines() == []
    assert session.code == 1


def test_a_kernel_that_keeps_dying_is_given_up(tmp_path):
    options = ["--kernel", "6.12", "--vm-losses", "0", f"{sessions.FAULTS}/panic.py"]
    session = sessions.run(*options, results=tmp_path / "out")
    assert list(session.statuses("6.12").values()) == ["pass"] * 3 + ["panic"] + ["not-run"] * 3, (
        session.output
    )
    assert "not run: too many VMs of 6.12 were lost" in session.records()[-1]["message"]
    assert "incomplete: 4 of 7 tests ran" in session.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_an_interrupted_run_keeps_its_results_and_leaves_no_vm(tmp_path, number):
    with sessions.endless(tmp_path / "out") as session:
        session.process.send_signal(number)
        session.wait()
    assert session.code == 2, session.output
    assert session.statuses("6.12")["endless.py::test_before"] == "pass"
    assert session.virtual_machines() == []
    assert "Traceback" not in session.output


def test_a_second_interrupt_leaves_no_vm_and_no_traceback(tmp_path):
    with sessions.endless(tmp_path / "out") as session:
        session.process.send_signal(signal.SIGINT)
        session.process.send_signal(signal.SIGINT)
        session.wait()
    assert session.code in (2, -signal.SIGINT), session.output
    assert session.statuses("6.12")["endless.py::test_before"] == "pass"
    assert session.virtual_machines() == []
    assert "Traceback" not in session.output


def test_a_killed_controller_takes_its_vm_along(tmp_path):
    with sessions.endless(tmp_path / "out") as session:
        assert len(session.virtual_machines()) == 1
        session.process.kill()
        session.wait()
        sessions.wait_until(lambda: not session.virtual_machines(), "QEMU to end", patience=10)
    assert session.statuses("6.12") == {"endless.py::test_before": "pass"}


def test_a_killed_qemu_costs_one_test(tmp_path):
    with sessions.endless(tmp_path / "out") as session:
        for pid in session.virtual_machines():
            os.kill(pid, signal.SIGKILL)
        session.wait()
    assert list(session.statuses("6.12").values()) == ["pass", "lost", "pass"], session.output


def test_a_qemu_that_stands_still_costs_one_test(tmp_path):
    with sessions.endless(tmp_path / "out", "--vm-silence", "10") as session:
        for pid in session.virtual_machines():
            os.kill(pid, signal.SIGSTOP)
        session.wait()
    assert list(session.statuses("6.12").values()) == ["pass", "hang", "pass"], session.output
    assert session.virtual_machines() == []


def test_a_controller_that_stood_still_blames_nobody(tmp_path):
    """A pause of the controller, as on a suspended laptop, does not count towards a VM's timeout."""
    many = f"{sessions.FAULTS}/many.py"
    session = sessions.start("--kernel", "6.12", "--vm-silence", "5", many, results=tmp_path / "out")
    sessions.wait_until(session.records, "the first result")
    session.process.send_signal(signal.SIGSTOP)
    time.sleep(12)  # longer than the VM's timeout, which must not expire by this
    session.process.send_signal(signal.SIGCONT)
    session.wait()
    assert set(session.statuses("6.12").values()) == {"pass"}, session.output


def test_a_killed_helping_vm_costs_nothing_but_itself(tmp_path):
    """The second VM of a kernel is killed while it is being restored."""
    many = f"{sessions.FAULTS}/many.py"
    session = sessions.start("--kernel", "6.12", "--vm-jobs", "2", many, results=tmp_path / "out")
    sessions.wait_until(lambda: len(session.virtual_machines()) == 2, "the second VM")
    os.kill(max(session.virtual_machines()), signal.SIGKILL)
    session.wait()
    statuses = list(session.statuses("6.12").values())
    assert (len(statuses), "pass" in statuses) == (600, True), session.output
    assert len([status for status in statuses if status != "pass"]) <= 1, session.output


def test_a_cache_that_is_deleted_costs_the_tests_that_need_another_vm(tmp_path):
    environment = sessions.private_cache(tmp_path / "cache")
    with sessions.endless(tmp_path / "out", environment=environment) as session:
        shutil.rmtree(tmp_path / "cache")
        for pid in session.virtual_machines():
            os.kill(pid, signal.SIGKILL)
        session.wait()
    assert session.code == 1, session.output
    assert list(session.statuses("6.12").values())[:2] == ["pass", "lost"]
    assert len(session.records()) == 3
    assert "INTERNALERROR" not in session.output


def test_two_runs_at_once_both_finish(tmp_path):
    options = ["--kernel", "6.12", f"{sessions.FAULTS}/complaint.py"]
    both = [sessions.start(*options, results=tmp_path / name) for name in ("one", "two")]
    assert [session.wait().code for session in both] == [1, 1]
    assert both[0].statuses("6.12") == both[1].statuses("6.12") != {}
