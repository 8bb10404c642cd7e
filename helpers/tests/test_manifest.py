# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of a run: what is missing, and what is read back."""

import json
from dataclasses import replace

import pytest

from helpers.contract.manifest import (
    FILE,
    NO_BASELINE,
    End,
    Kernel,
    Manifest,
    Suite,
    balance,
    completed,
    dump,
    read,
)
from helpers.contract.results import Result
from helpers.contract.status import Status

TESTS = {"a.py::x": ["A-X"], "a.py::y": [], "b.py::z": ["B-Z", "B-Y"]}


def manifest(*kernels, how=End.COMPLETE):
    made = Manifest(how=how)
    for name in kernels:
        made = made.with_kernel(Kernel(name, release=f"{name}.5"))
    return made


def ran(kernel, *tests, status=Status.PASS):
    return [Result(kernel, "", "", test, [], status) for test in tests]


ALL = ran("6.12", *TESTS)
PLANNED = manifest("6.12").with_tests("6.12", TESTS)

HEADLINES = {
    "all": (PLANNED, ALL, "complete"),
    "one is missing": (PLANNED, ALL[1:], "incomplete: 2 of 3 tests ran"),
    "nothing ran": (PLANNED, [], "incomplete: 0 of 3 tests ran"),
    "what was not planned does not count": (
        PLANNED,
        [*ALL[1:], *ran("6.12", "vm::boot"), *ran("6.1", "a.py::x")],
        "incomplete: 2 of 3 tests ran",
    ),
    "said to be not run": (
        PLANNED,
        [*ALL[1:], *ran("6.12", "a.py::x", status=Status.NOT_RUN)],
        "incomplete: 2 of 3 tests ran",
    ),
    "killed at the end": (replace(PLANNED, how=None), ALL, "incomplete: 3 of 3 tests ran"),
    "interrupted at the end": (replace(PLANNED, how=End.INTERRUPTED), ALL, "complete"),
    "nothing was collected": (manifest("6.12"), [], "incomplete: 0 of an unknown number of tests ran"),
    "a kernel that does not boot should have run the tests of the others": (
        manifest("6.12", "7.2").with_tests("6.12", TESTS),
        ALL,
        "incomplete: 3 of 6 tests ran",
    ),
    "did not boot": (
        manifest("6.12"),
        ran("6.12", "vm::boot", status=Status.LOST),
        "incomplete: 0 of an unknown number of tests ran",
    ),
    "no kernel": (Manifest(how=End.COMPLETE), [], "complete"),
    "held against nothing": (
        PLANNED.with_kernel(replace(PLANNED.kernels["6.12"], baseline=NO_BASELINE)),
        ALL,
        "complete; no baseline: what 6.12 lacks is no failure",
    ),
}


@pytest.mark.parametrize("case", HEADLINES)
def test_the_headline(case):
    plan, results, headline = HEADLINES[case]
    assert balance(plan, results).headline == headline


@pytest.mark.parametrize("case", HEADLINES)
def test_planned_is_ran_and_not_run(case):
    plan, results, _ = HEADLINES[case]
    for account in balance(plan, results).kernels.values():
        assert account.planned is None or account.planned == account.ran + len(account.not_run)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (None, "the run was killed"),
        (End.INTERRUPTED, "the run was interrupted"),
        (End.ABORTED, "the run was aborted"),
        (End.COMPLETE, "its kernel came to no tests"),
    ],
)
def test_what_did_not_run_becomes_a_result_that_says_why(how, why):
    *_, last = completed(replace(PLANNED, how=how), ALL[:2])
    assert (last.test, last.status, last.behaviours) == ("b.py::z", Status.NOT_RUN, ["B-Z", "B-Y"])
    assert (last.release, last.message) == ("6.12.5", f"not run: {why}")


def test_the_first_collection_counts():
    again = PLANNED.with_tests("6.12", {"a.py::x": []})
    assert again == PLANNED


def test_it_is_read_as_it_was_written(tmp_path):
    made = (
        manifest("6.1", "6.12", "7.2")
        .with_tests("6.12", TESTS)
        .with_tests("7.2", {"b.py::z": ["B-Z", "B-Y"]})
    )
    made = replace(made, suite=Suite("0123", changed=True), started="2026-01-02T03:04:05+00:00")
    (tmp_path / FILE).write_bytes(dump(made))
    assert read(tmp_path) == made


def test_the_tests_of_all_kernels_are_stored_once():
    made = manifest("6.1", "6.12").with_tests("6.1", TESTS).with_tests("6.12", TESTS)
    assert dump(made).count(b"a.py::x") == 1
    assert json.loads(dump(made))["planned"]["kernels"] == {"6.1": {"without": []}, "6.12": {"without": []}}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b'{"kernels": [{}]}', b'{"kernels": [], "planned": 3}']
)
def test_a_damaged_one_is_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert read(tmp_path) is None


def test_a_run_of_a_former_time_has_none(tmp_path):
    assert read(tmp_path) is None
