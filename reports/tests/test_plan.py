# SPDX-License-Identifier: GPL-2.0-or-later
"""The manifest as a run writes it."""

import subprocess
from pathlib import Path

import pytest

from helpers.contract import manifest
from helpers.contract.manifest import End, Kernel, Suite
from reports.plan import Plan, suite


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a"],
    ):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    return tmp_path


def test_the_commit_of_a_checkout(checkout: Path) -> None:
    clean = suite(checkout)
    assert len(clean.commit) == 40
    assert not clean.changed
    (checkout / "new").touch()
    assert suite(checkout) == Suite(clean.commit, changed=True)


def test_what_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert suite(tmp_path) == Suite()


def test_git_that_there_is_not(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert suite(checkout) == Suite()


def test_each_step_is_written_at_once(tmp_path: Path) -> None:
    plan = Plan(tmp_path, pytest.fail)
    steps = [manifest.read(tmp_path).manifest]
    plan.pytest_kernel_identified(Kernel("6.1", accel="tcg"))
    steps.append(manifest.read(tmp_path).manifest)
    plan.pytest_kernel_planned("6.1", {"a.py::x": ["A-B"]})
    steps.append(manifest.read(tmp_path).manifest)
    plan.held_against("6.1", "6.1 of Debian")
    plan.close(End.COMPLETE)
    *_, known, planned = steps
    closed = manifest.read(tmp_path).manifest
    assert known
    assert planned
    assert closed
    assert (known.planned, known.machine.kind) == ({"6.1": None}, "tcg")
    assert (planned.planned, planned.behaviours, planned.how) == (
        {"6.1": ("a.py::x",)},
        {"a.py::x": ("A-B",)},
        None,
    )
    assert (closed.kernels["6.1"].baseline, closed.how) == ("6.1 of Debian", End.COMPLETE)


def test_a_manifest_that_can_not_be_written_is_said_once(read_only: Path) -> None:
    said: list[str] = []
    plan = Plan(read_only, said.append)
    plan.close(End.COMPLETE)
    assert said == [f"cannot write {read_only}/manifest.json: Read-only file system"]
