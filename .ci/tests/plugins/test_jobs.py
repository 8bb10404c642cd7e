# SPDX-License-Identifier: GPL-2.0-or-later
"""The jobs of GitLab and GitHub, run on this machine with one VM each. They need root, Debian's archive and npm.

GitLab's are run by gitlab-ci-local, as its shell executor does. What runs GitHub's wants a container engine: here their
commands are run, in order, and what the four actions do is done as their documentation says.
"""

import fnmatch
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

KERNEL = "6.12"
GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"


def statuses(page: Path) -> set[str]:
    return set(re.findall(r'"status": ?"(\w+)"', (page / "results.jsonl").read_text()))


@pytest.fixture(scope="module")
def gitlab(run: Any, project: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """What gitlab-ci-local said of a kernel's job and of the page's, and where it ran: one test passes, one fails."""
    place = tmp_path_factory.mktemp("gitlab")
    installed = run("npm", "install", "--no-audit", "--no-fund", "--prefix", place, GITLAB_CI_LOCAL)
    assert installed.returncode == 0, installed.stdout
    clone = shutil.copytree(project.directory, place / "clone", symlinks=True)
    git = ("git", "-c", "user.name=-", "-c", "user.email=-")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm-"]):
        assert run(*git, *command, cwd=clone).returncode == 0
    options = [
        "--force-shell-executor",
        "--shell-isolation",
        "--variable",
        f"TESTS={project.green} {project.red}",
    ]
    program = place / "node_modules" / ".bin" / "gitlab-ci-local"
    return run(program, *options, f"kernel: [{KERNEL}]", "page", cwd=clone), clone


def test_gitlab(gitlab: tuple[Any, Path]) -> None:
    """A job fails with a test of its kernel, its results are kept, and the page is made, which lacks the others."""
    done, clone = gitlab
    assert done.returncode == 1, done.stdout
    assert re.search(rf" FAIL .*kernel: \[{KERNEL}\]", done.stdout), done.stdout
    assert re.search(r" FAIL .*page", done.stdout), done.stdout
    assert "missing: no run results/7.2: " in done.stdout
    assert (clone / "results" / KERNEL / "junit.xml").exists()
    assert (clone / "page" / "matrix.html").exists()
    assert statuses(clone / "page") == {"pass", "fail"}, done.stdout


class Runner:
    """What runs a job of GitHub's: its commands in a shell, its actions by what they do to files."""

    def __init__(
        self, run: Any, checkout: Path, workspace: Path, kept: Path, expressions: dict[str, str]
    ) -> None:
        self.run, self.checkout, self.workspace, self.expressions = run, checkout, workspace, expressions
        self.artifacts, self.summary = kept / "artifacts", kept / "summary.md"

    def job(self, workflow: dict[str, Any], name: str) -> str:
        """Run the steps of a job in a new workspace; return what the step said that failed."""
        shutil.rmtree(self.workspace, ignore_errors=True)
        self.workspace.mkdir(parents=True)
        variables = {key: self.text(value) for key, value in workflow["env"].items()}
        failure = ""
        for step in workflow["jobs"][name]["steps"]:
            if failure and self.text(step.get("if", "success")) != "not cancelled":
                continue
            if "uses" in step:
                self.action(step["uses"])(
                    {key: self.text(value) for key, value in step.get("with", {}).items()}
                )
                continue
            command = ("sh", "-e", "-c", self.text(step["run"]))
            done = self.run(*command, cwd=self.workspace, GITHUB_STEP_SUMMARY=self.summary, **variables)
            failure = failure or (done.stdout if done.returncode else "")
        return failure

    def text(self, value: object) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: self.expressions[match[1]], str(value))

    def action(self, name: str) -> Callable[[dict[str, str]], None]:
        return {
            "actions/checkout@v5": self.check_out,
            "actions/upload-artifact@v4": self.upload,
            "actions/download-artifact@v5": self.download,
        }[name]

    def check_out(self, _: dict[str, str]) -> None:
        shutil.copytree(self.checkout, self.workspace, symlinks=True, dirs_exist_ok=True)

    def upload(self, given: dict[str, str]) -> None:
        """What lies in the directory; names that Windows does not know are refused, hidden files left out."""
        source = self.workspace / given["path"]
        if not source.exists():  # a warning there too
            return
        assert [path for path in source.rglob("*") if set(path.name) & set('":<>|*?\r\n')] == []
        shutil.copytree(source, self.artifacts / given["name"], ignore=shutil.ignore_patterns(".*"))

    def download(self, given: dict[str, str]) -> None:
        """Each in a directory of its own, unless they are merged or there is one alone."""
        found = [path for path in self.artifacts.iterdir() if fnmatch.fnmatch(path.name, given["pattern"])]
        flat = len(found) == 1 or given.get("merge-multiple") == "True"
        for path in found:
            target = self.workspace / given["path"]
            shutil.copytree(path, target if flat else target / path.name, dirs_exist_ok=True)


def test_github(run: Any, project: Any, gitlab: tuple[Any, Path], tmp_path: Path) -> None:
    """One test fails on one kernel, and the jobs of the others are lost: the page has what there is, and is red."""
    workflow = YAML(typ="safe").load(project.directory / ".github" / "workflows" / "kernels.yml")
    expressions = {
        "matrix.kernel": KERNEL,
        "inputs.tests || 'suites'": f"{project.green} {project.red}",
        "!cancelled()": "not cancelled",
    }
    # where the same files lay for GitLab's job: the guest is made of them already
    (workspace,) = gitlab[1].glob(".gitlab-ci-local/builds/kernel*")
    runner = Runner(run, project.directory, workspace, tmp_path, expressions)
    assert "1 failed, 1 passed" in runner.job(workflow, "kernel")
    assert "missing: no run results/7.2: " in runner.job(workflow, "page")
    assert (runner.artifacts / "page" / "matrix.html").exists()
    assert statuses(runner.artifacts / "page") == {"pass", "fail"}
    assert "| PWAIT-THREAD-PIDFD (documented): assert " in runner.summary.read_text()
