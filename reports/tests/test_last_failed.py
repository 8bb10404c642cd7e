# SPDX-License-Identifier: GPL-2.0-or-later
"""`--lf` on runs of this room's small project."""

from pathlib import Path

import pytest

from reports.tests.conftest import Project, on

TESTS = """
import os

def test_pass(): pass
def test_fail(): assert os.environ["KERNEL"] == "6.1"
def test_error(): open("/nonexistent")
"""


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A project in which pytest's cache is switched off as in this one: in its configuration."""
    project = Project(tmp_path, cache_option=False)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    project.write("test_a.py", TESTS)
    project.write("test_b.py", "import no_such_module")
    return project


def names(project: Project, *arguments: str, results: str = "second") -> set[str]:
    return {test for _, test in project.run_here("--lf", *arguments, results=results).results}


def test_what_failed_on_any_kernel_is_run_again(small: Project) -> None:
    small.run(*on(["6.1", "6.12"]), "test_a.py", results="first")
    assert names(small, "test_a.py") == {"test_fail", "test_error"}


def test_workers_of_kernels_are_told(small: Project) -> None:
    small.run(*on(["6.12"]), "test_a.py", results="first")
    again = small.run("--lf", *on(["6.1", "6.12"]), "test_a.py", results="second")
    assert {test for _, test in again.results} == {"test_fail", "test_error"}
    assert f"--lf: only the 2 tests that failed in the last run ({small.directory}/first)" in again.output


def test_paths_narrow_what_failed(small: Project) -> None:
    small.run_here("test_a.py", results="first")
    small.write("test_c.py", "def test_c(): assert 0")
    assert small.run_here("--lf", "test_c.py", results="second").code == 5
    assert names(small, "test_a.py", "test_c.py", results="third") == {"test_error"}


def test_a_file_that_could_not_be_collected_is_tried_again(small: Project) -> None:
    small.run_here("--continue-on-collection-errors", "-k", "not test_error", results="first")
    small.write("test_b.py", "def test_b(): pass")
    assert names(small) == {"test_b"}


@pytest.mark.parametrize("before", [True, False], ids=["nothing failed", "no run"])
def test_all_are_run_when_nothing_failed(small: Project, before: bool) -> None:  # noqa: FBT001
    if before:
        small.run_here("test_a.py", "-k", "test_pass", results="first")
    again = small.run_here("--lf", "test_a.py", results="second")
    assert len(again.results) == 3
    assert ("no test failed in the last run" if before else "no earlier run is known") in again.output
    assert "all tests are run" in again.output


def test_the_latest_run_is_the_last_one_where_no_other_lies_beside(small: Project) -> None:
    small.run_here("test_a.py", results=small.out / "run")
    assert (small.out / "latest").is_symlink()
    assert names(small, "test_a.py", results="elsewhere/second") == {"test_error"}
