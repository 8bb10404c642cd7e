# SPDX-License-Identifier: GPL-2.0-or-later
"""The places where CI systems plug in, each held against its own checker or parser; .ci/tests/plugins runs them."""

import email
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from helpers.contract.behaviours import SUITES
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


def commands(values: object) -> Iterator[str]:
    """Give the commands of all jobs, as they stand in YAML."""
    if isinstance(values, dict):
        for value in values.values():
            yield from commands(value)
    elif isinstance(values, list):
        for value in values:
            yield from commands(value)
    elif isinstance(values, str) and values.startswith("tox "):
        yield values


@pytest.mark.parametrize(
    ("file", "variable"), [(WORKFLOW, "${{ matrix.kernel }}"), (GITLAB, "$KERNEL")], ids=["github", "gitlab"]
)
def test_the_jobs_call_what_people_call(file: Path, variable: str) -> None:
    called = [shlex.split(one.replace(variable, "6.12")) for one in commands(YAML_.load(file))]
    kernel, merged = [words for words in called if words != ["tox", "-e", "newest"]]
    assert kernel == shlex.split("tox -e vm-6.12 -- --results results/6.12 $TESTS")
    assert merged[:7] == shlex.split("tox -e reports -- merge --into page")
    # by name: a run that is missing is not seen where names are found by a pattern
    assert set(merged[7:]) == {f"results/{name}" for name in environments()}


def test_the_newest_packages_are_tried_once_a_week() -> None:
    newest = YAML_.load(WORKFLOW)["jobs"]["newest"]
    assert newest["if"] == "${{ github.event_name == 'schedule' }}"
    assert newest["steps"][-1] == {"run": "tox -e newest"}


@pytest.mark.parametrize("file", [WORKFLOW, GITLAB], ids=["github", "gitlab"])
def test_a_bare_container_gets_what_the_jobs_need(file: Path) -> None:
    """Without certificates GitHub's checkout can not reach its server: git only recommends them."""
    installed = re.findall(r"apt-get install --yes --no-install-recommends (.*)", file.read_text())
    assert set(installed) == {"ca-certificates git python3 tox"}


def test_one_result_alone_lies_where_many_would() -> None:
    """Without merge-multiple download-artifact puts a single artifact somewhere else than one of several."""
    (download,) = (
        step["with"]
        for step in YAML_.load(WORKFLOW)["jobs"]["page"]["steps"]
        if "download-artifact" in step.get("uses", "")
    )
    assert download == {"pattern": "kernel-*", "path": "results", "merge-multiple": True}


def test_the_page_is_kept_when_a_run_is_missing() -> None:
    """The merge ends with 1 then: what follows it must run all the same."""
    steps = YAML_.load(WORKFLOW)["jobs"]["page"]["steps"]
    merging = next(n for n, step in enumerate(steps) if "merge" in step.get("run", ""))
    assert {step["if"] for step in steps[merging + 1 :]} == {"${{ !cancelled() }}"}
    assert YAML_.load(GITLAB)["page"]["artifacts"]["when"] == "always"


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
    programs = {"btrfs-progs", "busybox-static", "e2fsprogs", "tox", "util-linux", "xfsprogs"}
    assert programs <= set(re.split(r",\s*", fields["Depends"]))
    for test in fields["Tests"].split():
        assert os.access(ROOT / "debian" / "tests" / test, os.X_OK)


@pytest.mark.parametrize("script", ["debian/tests/this-kernel", "kselftest/fanotify_pidfd.sh"])
def test_scripts_are_of_a_plain_shell(script: str) -> None:
    check("sh", "-n", ROOT / script)
    assert "--on-this-machine" in (ROOT / script).read_text()


def test_kselftest_skips_where_it_can_not_run(tmp_path: Path) -> None:
    for tool in ("dirname", "realpath", "id"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    command = ["/bin/sh", str(ROOT / "kselftest" / "fanotify_pidfd.sh")]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    why = "this needs tox on root's PATH" if os.geteuid() == 0 else "this needs root"
    assert (done.returncode, done.stdout) == (4, f"KTAP version 1\n1..0 # SKIP {why}\n")


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
