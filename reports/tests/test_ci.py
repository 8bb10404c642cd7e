# SPDX-License-Identifier: GPL-2.0-or-later
"""The places where CI systems plug in, each held against its own checker or parser."""

import email
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reports.behaviours import SUITES
from reports.tests.conftest import ROOT

BIN = Path(sys.executable).parent
WORKFLOW = ROOT / ".github" / "workflows" / "kernels.yml"
GITLAB = ROOT / ".gitlab-ci.yml"
YAML_ = YAML(typ="safe")


def check(*command: object) -> str:
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environments() -> set[str]:
    """Return the kernels that tox.ini has an environment for."""
    found = re.search(r"\[testenv:vm-\{([^}]*)\}\]", (ROOT / "tox.ini").read_text())
    assert found
    return set(found[1].split(","))


def test_github_accepts_the_workflow() -> None:
    check(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_gitlab_accepts_the_pipeline() -> None:
    transform = ("--data-transform", "gitlab-ci")
    check(BIN / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", *transform, GITLAB)


def test_the_schemas_find_mistakes(tmp_path: Path) -> None:
    for source, schema in ((WORKFLOW, "github-workflows"), (GITLAB, "gitlab-ci")):
        wrong = tmp_path / source.name
        wrong.write_text(re.sub(r"\bstage: .*|runs-on: .*", "when: sometimes", source.read_text()))
        command = [str(BIN / "check-jsonschema"), "--builtin-schema", f"vendor.{schema}", str(wrong)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_each_kernel_has_a_job() -> None:
    github = YAML_.load(WORKFLOW)["jobs"]["kernel"]["strategy"]["matrix"]["kernel"]
    (gitlab,) = YAML_.load(GITLAB)["kernel"]["parallel"]["matrix"]
    assert set(github) == set(gitlab["KERNEL"]) == environments()


@pytest.mark.parametrize(
    ("file", "variable", "results"),
    [(WORKFLOW, "${{ matrix.kernel }}", "results"), (GITLAB, "$KERNEL", "results/6.12")],
    ids=["github", "gitlab"],
)
def test_the_jobs_call_what_people_call(file: Path, variable: str, results: str) -> None:
    text = file.read_text().replace(variable, "6.12")
    assert [shlex.split(line) for line in re.findall(r"^\s*- (?:run: )?(tox .*)", text, re.MULTILINE)] == [
        shlex.split(f"tox -e vm-6.12 -- --results {results}"),
        shlex.split("tox exec -e allure -- python -m reports merge --into page results/*"),
    ]


def test_tmt_lint_passes() -> None:
    said = check(BIN / "tmt", "lint")
    assert "/plans/this-kernel" in said
    assert not re.search(r"^(fail|warn) ", said, re.MULTILINE)


def test_the_control_file_of_autopkgtest() -> None:
    text = (ROOT / "debian" / "tests" / "control").read_text().partition("\n")[2]
    fields = email.message_from_string(text)
    assert set(fields) == {"Tests", "Depends", "Restrictions"}
    # doc/README.package-tests.rst of autopkgtest 5.28
    known = {"allow-stderr", "breaks-testbed", "isolation-machine", "needs-internet", "needs-root"}
    assert set(re.split(r",\s*", fields["Restrictions"])) == known
    for test in fields["Tests"].split():
        assert os.access(ROOT / "debian" / "tests" / test, os.X_OK)


@pytest.mark.parametrize("script", ["debian/tests/this-kernel", "kselftest/fanotify_pidfd.sh"])
def test_scripts_are_of_a_plain_shell(script: str) -> None:
    check("sh", "-n", ROOT / script)
    assert "--on-this-machine" in (ROOT / script).read_text()


def test_kselftest_skips_where_it_can_not_run(tmp_path: Path) -> None:
    tools = [tmp_path / name for name in ("dirname", "realpath", "mktemp", "rm", "id")]
    for tool in tools:
        tool.symlink_to(
            next(path for path in (Path("/bin", tool.name), Path("/usr/bin", tool.name)) if path.exists())
        )
    environment = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = ["/bin/sh", str(ROOT / "kselftest" / "fanotify_pidfd.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "KTAP version 1\n1..0 # SKIP this needs root and tox\n")


def test_kselftest_asks_for_every_option_that_a_behaviour_names() -> None:
    config = (ROOT / "kselftest" / "config").read_text()
    text = "".join(path.read_text() for path in SUITES.glob("*/behaviours.toml"))
    required = set(
        re.findall(r"CONFIG_[A-Z0-9_]+", "".join(re.findall(r"^requires = .*", text, re.MULTILINE)))
    )
    assert required <= set(re.findall(r"CONFIG_[A-Z0-9_]+", config))
    makefile = (ROOT / "kselftest" / "Makefile").read_text()
    (program,) = re.findall(r"TEST_PROGS := (.*)", makefile)
    assert os.access(ROOT / "kselftest" / program, os.X_OK)
