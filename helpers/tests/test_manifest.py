# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest of a run: what is missing in a run, and reading a manifest back."""

import json
from dataclasses import replace

import pytest

from helpers.contract.manifest import (
    FILE,
    NO_BASELINE,
    NO_MANIFEST,
    End,
    Kernel,
    Manifest,
    Reading,
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
    "what stands for no test does not count": (
        PLANNED,
        [*ALL[1:], *ran("6.12", "vm::boot", "a.py")],
        "incomplete: 2 of 3 tests ran",
    ),
    "another kernel's": (
        PLANNED,
        [*ALL, *ran("6.1", "a.py::x")],
        "incomplete: 1 result is of a test that was not planned",
    ),
    "other tests": (
        PLANNED,
        [*ALL, *ran("6.12", "c.py::1", "c.py::2")],
        "incomplete: 2 results are of tests that were not planned",
    ),
    "of several commits": (
        replace(PLANNED, suite=Suite(), mixed=(Suite("0123456789abcdef", changed=True), Suite())),
        ALL,
        "complete; the tests are not the same everywhere: commit 0123456789ab, changed and an unknown commit",
    ),
    "said to be not run": (
        PLANNED,
        [*ALL[1:], *ran("6.12", "a.py::x", status=Status.NOT_RUN)],
        "incomplete: 2 of 3 tests ran",
    ),
    "killed at the end": (
        replace(PLANNED, how=None),
        ALL,
        "incomplete: the run was killed after all 3 tests",
    ),
    "interrupted at the end": (
        replace(PLANNED, how=End.INTERRUPTED),
        ALL,
        "incomplete: the run was interrupted after all 3 tests",
    ),
    "aborted at the end": (
        replace(PLANNED, how=End.ABORTED),
        ALL,
        "incomplete: the run was aborted after all 3 tests",
    ),
    "a kernel of which nothing was planned": (
        PLANNED.with_kernel(Kernel("7.2")).with_tests("7.2", {}),
        ALL,
        "incomplete: 7.2: no test was planned",
    ),
    "what a merged run lacks": (
        replace(PLANNED, gaps=("no run 7.2", "b: no manifest")),
        ALL,
        "incomplete: no run 7.2; b: no manifest",
    ),
    "what a merged run lacks beside tests": (
        replace(PLANNED, gaps=("no run 7.2",)),
        ALL[1:],
        "incomplete: 2 of 3 tests ran; no run 7.2",
    ),
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
        (End.COMPLETE, "the run ended without a result of it"),
    ],
)
def test_what_did_not_run_becomes_a_result_that_says_why(how, why):
    *_, last = completed(replace(PLANNED, how=how), ALL[:2])
    assert (last.test, last.status, last.behaviours) == ("b.py::z", Status.NOT_RUN, ["B-Z", "B-Y"])
    assert (last.release, last.message) == ("6.12.5", f"not run: {why}")


@pytest.mark.parametrize("case", HEADLINES)
def test_no_format_looks_whole_unless_the_run_is(case):
    plan, results, headline = HEADLINES[case]
    bad = [one for one in completed(plan, results) if one.not_run or one.test == "vm::boot"]
    assert bool(bad) == headline.startswith("incomplete")


def test_what_nobody_planned_stands_for_itself():
    (only,) = completed(manifest("6.12"), [])
    assert (only.kernel, only.test, only.status) == ("6.12", "vm::run", Status.NOT_RUN)
    assert only.message == "not run: incomplete: 0 of an unknown number of tests ran"


def test_a_kernel_that_came_to_no_tests_says_so():
    plan = manifest("6.12", "7.2").with_tests("6.12", TESTS)
    assert {one.message for one in completed(plan, ALL)[3:]} == {"not run: its kernel came to no tests"}


def test_the_first_collection_counts():
    again = PLANNED.with_tests("6.12", {"a.py::x": []})
    assert again == PLANNED


def test_it_is_read_as_it_was_written(tmp_path):
    made = (
        manifest("6.1", "6.12", "7.2")
        .with_tests("6.12", TESTS)
        .with_tests("7.2", {"b.py::z": ["B-Z", "B-Y"]})
    )
    made = replace(
        made,
        suite=Suite("0123", changed=True),
        mixed=(Suite("4"), Suite()),
        started="2026-01-02T03:04:05+00:00",
    )
    (tmp_path / FILE).write_bytes(dump(made))
    assert read(tmp_path) == Reading(made)


def test_the_tests_of_all_kernels_are_stored_once():
    made = manifest("6.1", "6.12").with_tests("6.1", TESTS).with_tests("6.12", TESTS)
    assert dump(made).count(b"a.py::x") == 1
    assert json.loads(dump(made))["planned"]["kernels"] == {"6.1": {"without": []}, "6.12": {"without": []}}


GOOD = json.loads(dump(PLANNED))


def without(*keys):
    """Return a stored manifest without one value."""
    made = json.loads(dump(PLANNED))
    within = made
    for key in keys[:-1]:
        within = within[key]
    del within[keys[-1]]
    return made


def having(value, *keys):
    """Return a stored manifest with another value."""
    made = without(*keys)
    within = made
    for key in keys[:-1]:
        within = within[key]
    if isinstance(within, list):
        within.insert(keys[-1], value)
    else:
        within[keys[-1]] = value
    return made


DAMAGED = {
    "empty": (b"", "not JSON"),
    "no text": (b"\xff", "not JSON"),
    "too deep": (b"[" * 100_000, "not JSON"),
    "a list": ([], "manifest is []"),
    "nothing": ({}, "format None, and 1 is the one that is known"),
    "newer": ({**GOOD, "format": 2}, "format 2, and 1 is the one that is known"),
    "a kernel without a name": (without("kernels", 0, "name"), "kernels[0] has no name"),
    "a kernel that is a number": (having(3, "kernels", 0), "kernels[0] is 3"),
    "a release that is a number": (having(6.12, "kernels", 0, "release"), "kernels[0].release is 6.12"),
    "a package that is a number": (
        having({"linux": 1}, "kernels", 0, "packages"),
        "kernels[0].packages['linux'] is 1",
    ),
    "a plan that is a number": (having(3, "planned"), "planned is 3"),
    "no tests": (without("planned", "tests"), "planned.tests is None"),
    "tests without behaviours": (
        having(None, "planned", "tests", "a.py::x"),
        "planned.tests['a.py::x'] is None",
    ),
    "a kernel without a plan": (
        having({}, "planned", "kernels"),
        "planned.kernels and kernels do not agree about '6.12'",
    ),
    "an empty plan": (having({}, "planned", "kernels", "6.12"), "planned.kernels['6.12'].without is None"),
    "a number that looks like the format": (
        {**GOOD, "format": True},
        "format True, and 1 is the one that is known",
    ),
    "a kernel that is there twice": (
        having(GOOD["kernels"][0], "kernels", 0) | {"kernels": GOOD["kernels"] * 2},
        "planned.kernels and kernels do not agree about '6.12'",
    ),
    "an end that is a list": (having(["complete"], "how"), "how is ['complete']"),
    "a gap that is a number": ({**GOOD, "gaps": [3]}, "gaps is 3"),
    "an unknown end": (having("fine", "how"), "how is 'fine'"),
    "a changed that is a word": (having("no", "suite", "changed"), "suite.changed is 'no'"),
    "a start that is a number": (having(3, "started"), "started is 3"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_one_counts_as_none_and_it_is_said_why(tmp_path, case):
    content, why = DAMAGED[case]
    (tmp_path / FILE).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert read(tmp_path) == Reading(None, f"{FILE}: {why}: it is not known whether all tests ran")


def test_one_that_can_not_be_opened_counts_as_none(tmp_path):
    (tmp_path / FILE).mkdir()
    assert read(tmp_path).unknown == f"{FILE}: Is a directory: it is not known whether all tests ran"


def test_a_run_of_a_former_time_has_none(tmp_path):
    assert read(tmp_path) == Reading(None, NO_MANIFEST)
    assert read(tmp_path).balance(ALL).headline == NO_MANIFEST
