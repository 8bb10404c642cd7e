# SPDX-License-Identifier: GPL-2.0-or-later
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpers.contract.results import Reason, Result, dump
from helpers.contract.status import Status
from reports.collector import Collector
from reports.phase import CRASH

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def report(
    when: Any, status: str = "", *, test: str = "a.py::x", kernel: str = "6.1", **more: Any
) -> pytest.TestReport:
    properties = [("kernel", kernel), *more.pop("properties", [])]
    if status:
        properties.append(("status", status))
    outcome: Any = {"pass": "passed", "skip": "skipped", "xfail": "skipped"}.get(status, "failed")
    longrepr = more.pop("longrepr", None)
    return pytest.TestReport(
        test, ("a.py", 1, "x"), {}, outcome, longrepr, when, user_properties=properties, **more
    )


def collect(*reports: pytest.TestReport, collector: Collector | None = None) -> list[Result]:
    collector = collector or Collector(Clock())
    return [result for each in reports if (result := collector.add(each))]


@pytest.mark.parametrize(
    ("setup", "call", "teardown", "status"),
    [
        ("pass", "pass", "pass", "pass"),
        ("pass", "fail", "pass", "fail"),
        ("pass", "error", "pass", "error"),
        ("pass", "pass", "error", "error"),
        ("pass", "pass", "fail", "fail"),
        ("pass", "error", "fail", "fail"),
        ("pass", "fail", "error", "fail"),
        ("fail", None, "pass", "fail"),
        ("error", None, "fail", "fail"),
        ("skip", None, "pass", "skip"),
        ("skip", None, "error", "error"),
        ("pass", "skip", "pass", "skip"),
        ("pass", "xfail", "pass", "xfail"),
        ("pass", "xfail", "fail", "fail"),
        ("pass", "xpass", "pass", "xpass"),
    ],
)
def test_the_worst_phase_decides(setup: str, call: str | None, teardown: str, status: str) -> None:
    phases = [("setup", setup), ("call", call), ("teardown", teardown)]
    (result,) = collect(*(report(when, said) for when, said in phases if said))
    assert result.status == status


def test_a_result() -> None:
    machine = [("release", "6.1.5"), ("accel", "tcg"), ("behaviour", "B-1"), ("behaviour", "B-2")]
    (result,) = collect(
        report("setup", "pass", properties=machine, duration=0.5),
        report("call", "fail", properties=[*machine, ("message", "no EINVAL")], duration=0.25),
        report("teardown", "pass", properties=machine, duration=0.125),
    )
    assert result == Result(
        kernel="6.1",
        release="6.1.5",
        accel="tcg",
        test="a.py::x",
        behaviours=["B-1", "B-2"],
        status=Status.FAIL,
        message="no EINVAL",
        duration=0.875,
        started="2026-01-02T03:04:05.500+00:00",
    )


def test_a_test_of_many_rules_speaks_of_those_that_were_broken() -> None:
    every = [("behaviour", "B-1"), ("behaviour", "B-2")]
    failed, passed = collect(
        report("setup", "pass", properties=every),
        report("call", "fail", properties=[("behaviour", "B-2")]),
        report("teardown", "pass", properties=every),
        *(report(when, "pass", kernel="7.2", properties=every) for when in ("setup", "call", "teardown")),
    )
    assert (failed.behaviours, passed.behaviours) == (["B-2"], ["B-1", "B-2"])


@pytest.mark.parametrize(
    ("status", "properties", "reason"),
    [
        ("skip", [("skip-kind", "kconfig"), ("skip-text", "no CONFIG_X")], Reason("kconfig", "no CONFIG_X")),
        ("skip", [("message", "because")], Reason("untyped", "because")),
        ("xfail", [("message", "bug 7")], Reason("known-issue", "bug 7")),
        ("xpass", [("message", "bug 7")], Reason("known-issue", "bug 7")),
        ("fail", [("message", "no")], None),
    ],
)
def test_reason(status: str, properties: list[tuple[str, str]], reason: Reason | None) -> None:
    (result,) = collect(report("call", status, properties=properties), report("teardown", "pass"))
    assert result.reason == reason


def test_features_that_no_baseline_knows() -> None:
    (result,) = collect(
        report("setup", "pass", properties=[("new-feature", "FS_ERROR")]),
        report("call", "pass", properties=[("new-feature", "RENAME"), ("new-feature", "FS_ERROR")]),
        report("teardown", "pass"),
    )
    assert result.new_features == ["FS_ERROR", "RENAME"]


def test_kernels_and_tests_may_come_mixed() -> None:
    results = collect(
        report("setup", "pass", kernel="6.1"),
        report("setup", "pass", kernel="7.2"),
        report("call", "fail", kernel="7.2"),
        report("call", "pass", kernel="6.1"),
        report("teardown", "pass", kernel="6.1"),
        report("teardown", "pass", kernel="7.2"),
    )
    assert [(result.kernel, result.status) for result in results] == [("6.1", "pass"), ("7.2", "fail")]


def test_all_bad_phases_are_told_and_their_evidence_kept() -> None:
    said = [("Captured stdout call", "hello")]
    where = ("where", "a.py:3")
    complaint = [("message", "the kernel complained:\n  WARNING: x"), ("kernel-log", "[ 1.0] WARNING: x")]
    (result,) = collect(
        report("setup", "pass"),
        report("call", "fail", properties=[("message", "got 0"), where], longrepr="trace 1", sections=said),
        report("teardown", "fail", properties=complaint, longrepr="trace 2", sections=said),
    )
    assert result.message == "got 0\nthe kernel complained:\n  WARNING: x"
    assert (result.where, result.traceback) == ("a.py:3", "trace 1\n\ntrace 2")
    assert (result.output, result.kernel_log) == ("--- Captured stdout call ---\nhello", "[ 1.0] WARNING: x")


def test_a_good_result_has_no_evidence() -> None:
    said = [("Captured stdout call", "hello")]
    (result,) = collect(report("call", "pass", sections=said), report("teardown", "pass", sections=said))
    assert (result.where, result.traceback, result.output, result.kernel_log) == ("", "", "", "")


def test_evidence_is_bounded() -> None:
    huge = "x" * 1_000_000
    properties = [("message", huge), ("kernel-log", huge), ("where", "a.py:3")]
    (result,) = collect(
        report("call", "fail", properties=properties, longrepr=huge, sections=[("Captured stdout", huge)]),
        report("teardown", "pass"),
    )
    assert len(dump(result)) < 150_000


@pytest.mark.parametrize(
    ("lost", "status"),
    [("panic", "panic"), ("hang", "hang"), ("lost", "lost"), ("not-run", "not-run"), ("eaten", "lost")],
)
def test_a_crash_ends_the_test(lost: str, status: str) -> None:
    (result,) = collect(
        report(
            "setup",
            "pass",
            properties=[("release", "6.1.5"), ("behaviour", "B-1"), ("allure", '{"name": "x"}')],
        ),
        report(CRASH, properties=[("lost", lost)], sections=[("console", "Oops")], longrepr="it\n\npanicked"),
    )
    assert result == Result(
        kernel="6.1",
        release="6.1.5",
        accel="",
        test="a.py::x",
        behaviours=["B-1"],
        status=Status(status),
        message="it\npanicked",
        duration=1.0,
        started="2026-01-02T03:04:06.000+00:00",
        console="Oops",
        allure={"name": "x"},
    )


def test_a_crash_that_comes_first_is_told_by_what_other_reports_said() -> None:
    collector = Collector(Clock())
    collect(
        report("setup", "pass", kernel="7.2", properties=[("behaviour", "B-1"), ("release", "7.2.0")]),
        report("setup", "pass", test="a.py::w", properties=[("release", "6.1.5"), ("accel", "kvm")]),
        collector=collector,
    )
    (result,) = collect(report(CRASH), collector=collector)
    assert (result.release, result.accel, result.behaviours) == ("6.1.5", "kvm", ["B-1"])


@pytest.mark.parametrize(
    ("phases", "status"),
    [
        ([("setup", "pass")], None),
        ([("setup", "error")], "error"),
        ([("setup", "skip")], "skip"),
        ([("setup", "pass"), ("call", "pass")], "pass"),
        ([("setup", "pass"), ("call", "fail")], "fail"),
        ([("setup", "pass"), ("call", "pass"), ("teardown", "pass")], None),
    ],
)
def test_an_interrupted_run_keeps_what_is_known(phases: list[tuple[str, str]], status: str | None) -> None:
    collector = Collector(Clock())
    collect(*(report(when, said) for when, said in phases), collector=collector)
    assert [result.status for result in collector.flush()] == ([status] if status else [])
    assert collector.flush() == []


def test_what_was_not_collected_is_an_error_where_it_did_not_run() -> None:
    collector = Collector(Clock())
    for kernel, test in (("6.1", "a.py::x"), ("7.2", "a.py::x"), ("7.2", "b.py::y")):
        collect(
            report("call", "pass", kernel=kernel, test=test),
            report("teardown", "pass", kernel=kernel, test=test),
            collector=collector,
        )
    collector.add_uncollected(
        pytest.CollectReport("b.py", "failed", "Traceback\nE   ImportError: no c\n", None)
    )
    collector.add_uncollected(pytest.CollectReport("c.py", "passed", None, None))
    (result,) = collector.flush()
    assert (result.kernel, result.test, result.status) == ("6.1", "b.py", "error")
    assert result.message == "not collected: ImportError: no c"
