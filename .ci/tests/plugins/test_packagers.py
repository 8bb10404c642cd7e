# SPDX-License-Identifier: GPL-2.0-or-later
"""debian/tests/ run by autopkgtest, and plans/ by tmt, on this machine. Needs root, and both programs."""

import json
import platform
import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def given(environment: Any) -> list[str]:
    """NAME=VALUE: both programs hand no variable on unless they are told, and this checkout's tox is at hand."""
    return [f"{name}={environment[name]}" for name in ("PATH", "TOX_WORK_DIR")]


def test_autopkgtest(run: Any, project: Any, given: list[str], tmp_path: Path) -> None:
    narrowed = [f"--env={setting}" for setting in (f"TESTS={project.green} {project.red}", *given)]
    # autopkgtest asks for a testbed that it can throw away; these tests break none
    options = ["--ignore-restrictions=breaks-testbed", f"--output-dir={tmp_path / 'out'}", *narrowed]
    done = run("autopkgtest", *options, project.directory, "--", "null")
    assert done.returncode == 4, done.stdout
    assert (tmp_path / "out" / "summary").read_text() == "this-kernel          FAIL non-zero exit status 1\n"
    lines = (tmp_path / "out" / "artifacts" / "fapitest" / "results.jsonl").read_text().splitlines()
    assert [r["status"] for r in map(json.loads, lines) if "status" in r] == ["pass", "fail"]


def test_tmt(run: Any, project: Any, given: list[str], tmp_path: Path) -> None:
    tests = f"TESTS={project.green} {project.red} {project.skipped}"
    options = ["--id", tmp_path / "run", "--all", "--environment", shlex.join([tests, *given])]
    done = run("tmt", "--feeling-safe", "run", *options, "provision", "--how", "local", cwd=project.directory)
    assert done.returncode == 1, done.stdout
    assert done.stdout.rstrip().endswith("total: 1 test passed, 1 test failed and 1 test skipped")
    (file,) = (tmp_path / "run").glob("plans/*/execute/results.yaml")
    results = {result["name"]: result["result"] for result in YAML(typ="safe").load(file)}
    assert list(results.values()) == ["pass", "fail", "skip"]
    kernel = f"{platform.node().partition('.')[0]}-{platform.release()}"
    assert f"/fanotify-pidfd/{kernel}/pidfd_wait/test_wait/test_leader" in results


def test_what_tmt_runs_fails_when_nothing_ran(run: Any, project: Any, tmp_path: Path) -> None:
    plan = YAML(typ="safe").load(project.directory / "plans" / "this-kernel.fmf")
    script = plan["discover"]["tests"][0]["test"]
    data = {"TMT_TEST_DATA": tmp_path, "TESTS": "suites/nowhere"}
    done = run("bash", "-eo", "pipefail", "-c", script, cwd=project.directory, **data)
    assert done.returncode != 0
    assert not (tmp_path / "results.yaml").exists()
