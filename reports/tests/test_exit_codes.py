# SPDX-License-Identifier: GPL-2.0-or-later
"""The README's table of exit codes, cell by cell; what takes a VM is in vm/tests/test_exit_codes.py."""

import shutil
from pathlib import Path

import pytest

from helpers.contract.manifest import FILE, dump
from helpers.contract.results import Result, write
from helpers.contract.status import Status
from reports import exit_codes
from reports.__main__ import main
from reports.tests.conftest import ROOT, Project, plan_of

TESTS = """
import pytest

def test_pass(): pass
def test_fail(): assert 0
def test_error(): open("/nonexistent")
@pytest.mark.xfail(strict=True, reason="a known issue")
def test_fixed(): pass
def test_stop(): raise KeyboardInterrupt
def test_break(): pass
"""
BREAKS = """
def pytest_runtest_logfinish(nodeid):
    if "break" in nodeid:
        raise OSError("a plugin breaks")
"""

RUNS = {
    "well": (["-k", "pass"], 0),
    "a test fails": (["-k", "fail"], 1),
    "a test breaks": (["-k", "error"], 1),
    "a known issue is fixed": (["-k", "fixed"], 1),
    "a failure, then interrupted": (["-k", "fail or stop"], 1),
    "a failure, then an error of a plugin": (["-k", "fail or break"], 1),
    "interrupted": (["-k", "pass or stop"], 2),
    "an error of a plugin": (["-k", "pass or break"], 3),
    "mistyped": (["--no-such-option"], 4),
    "an empty selection": (["-k", "nothing"], 5),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("test_all.py", TESTS)
    project.write("conftest.py", BREAKS)
    return project


@pytest.mark.parametrize("case", RUNS)
def test_a_run(project: Project, case: str) -> None:
    arguments, code = RUNS[case]
    run = project.run_here(*arguments)
    assert run.code == code, run.output


@pytest.mark.parametrize(
    ("selection", "code"), [("pass", 2), ("fail", 1), ("fail or stop", 1), ("pass or stop", 2)]
)
def test_an_exporter_that_fails_hides_no_failure(project: Project, selection: str, code: int) -> None:
    (project.directory / "results" / "failed.txt").mkdir(parents=True)
    run = project.run_here("-k", selection)
    assert "no failed report in" in run.output
    assert run.code == code, run.output


@pytest.mark.parametrize(
    ("status", "test", "code"),
    [
        ("pass", "a.py::x", 0),
        ("xfail", "a.py::x", 0),
        ("lost", "vm::boot", 0),
        ("lost", "a.py::x", 1),
        ("panic", "a.py::x", 1),
    ],
)
def test_what_a_result_contributes(status: str, test: str, code: int) -> None:
    assert exit_codes.of([Result("6.1", "", "", test, [], Status(status))]) == code


# ---- what looks at runs ----

OF_REPORTS = {
    "nothing lost": ("diff", ["good", "good"], 0),
    "nobody knows what was planned": ("diff", ["good", "unplanned"], 1),
    "a regression": ("diff", ["good", "bad"], 1),
    "no such run": ("diff", ["good", "nowhere"], 2),
    "nothing missing": ("merge", ["good", "bad"], 0),
    "a plan missing": ("merge", ["good", "unplanned"], 1),
    "a run missing": ("merge", ["good", "nowhere"], 1),
    "nothing there": ("merge", ["nowhere"], 2),
}


@pytest.mark.parametrize("case", OF_REPORTS)
def test_reports(tmp_path: Path, case: str) -> None:
    for name, status in (("good", Status.PASS), ("bad", Status.FAIL)):
        (tmp_path / name).mkdir()
        results = [Result("6.1", "", "", "a.py::x", [], status)]
        write(tmp_path / name / "results.jsonl", results)
        (tmp_path / name / FILE).write_bytes(dump(plan_of(results)))
    shutil.copytree(tmp_path / "good", tmp_path / "unplanned", ignore=shutil.ignore_patterns(FILE))
    command, runs, code = OF_REPORTS[case]
    assert main(["--out", str(tmp_path), command, *runs]) == code


COLUMNS = {"run": 1, "bisect": 2, "diff": 3, "merge": 4, "manual": 5}
"""Of the README's table."""


def test_the_readme_has_every_code_that_is_tried() -> None:
    """What `--bisect` says is tried in VMs, and what `manual` says in test_manual.py."""
    text = (ROOT / "README.md").read_text().partition("| exit code ")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    of = {name: {row[0] for row in rows if row[column]} for name, column in COLUMNS.items()}
    assert of["run"] == {str(code) for _, code in RUNS.values()}
    for command in ("diff", "merge"):
        assert of[command] == {str(code) for name, _, code in OF_REPORTS.values() if name == command}
    assert of["manual"] == {"0", "1", "2"}
    assert of["bisect"] == {"0", "1", "125", "128 and more"}
