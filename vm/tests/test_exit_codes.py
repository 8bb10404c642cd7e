# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit codes of runs, and `git bisect run` on a real history of kernels."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from vm import kernels
from vm.command import pytest_command
from vm.image import PROJECT
from vm.tests import sessions

SMALL, PANIC = f"{sessions.FAULTS}/complaint.py", f"{sessions.FAULTS}/panic.py"

pytestmark = pytest.mark.timeout(900)

BISECT = {
    "unknown option": (["--kernel", "6.12", "--no-such-option"], 132, "unrecognized arguments"),
    "refused option": (["--kernel", "6.12", "-n", "2"], 132, "-n: each VM is a worker"),
    "mistyped path": (["--kernel", "6.12", "vm/tests/falts"], 132, "there is no vm/tests/falts"),
    "mistyped test": (["--kernel", "6.12", f"{PANIC}::test_panik"], 132, "is test_panic meant?"),
    "nothing selected": (["--kernel", "6.12", "-k", "nothing"], 133, "matches no test: -k nothing"),
    "no kernel": ([], 132, "--bisect: needs --kernel NAME|PATH"),
    "two kernels": (["--kernel", "6.1", "--kernel", "6.12"], 132, "judges one kernel"),
    "mistyped kernel": (["--kernel", "/nowhere/linux"], 132, "there is no such file"),
    "unknown series": (["--kernel", "6.13"], 132, "unknown kernel"),
    "not built": (["--kernel", "vm"], 125, "it is not a built x86-64 kernel tree"),
    "image not built": (["--kernel", "vm/bzImage"], 125, "there is no such file"),
}


@pytest.mark.parametrize("case", BISECT)
def test_bisect_stops_at_a_mistake_and_goes_on_where_nothing_was_built(tmp_path, case):
    words, code, message = BISECT[case]
    session = sessions.run("--bisect", *words, SMALL, results=tmp_path / "out")
    assert session.code == code, session.output
    assert message in session.output
    assert "Traceback" not in session.output
    assert not session.results.exists()


@pytest.mark.parametrize(("module", "status"), [(PANIC, "panic"), (SMALL, "fail")], ids=["panic", "fail"])
def test_x_stops_at_a_failure_and_the_exit_code_is_1(tmp_path, module, status):
    session = sessions.run("--kernel", "6.12", "-x", module, results=tmp_path / "out")
    assert session.code == 1, session.output
    assert list(session.statuses("6.12").values())[-1] == status
    assert "going on in a fresh VM" not in session.output


def reports(*words):
    command = [sys.executable, "-m", "reports", *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_a_kernel_that_boots_no_more_is_a_loss_and_no_green(tmp_path):
    """The run exits with 2, `reports diff` compares the other kernel, and reports the loss."""
    good, cut = kernels.kernel("6.12").image, tmp_path / "bzImage"
    cut.write_bytes(good.read_bytes()[:1_000_000])
    suite = ["suites/pidfd_wait", "-k", "leader"]
    codes = [
        sessions.run("--kernel", "6.12", "--kernel", f"mine={image}", *suite, results=tmp_path / name).code
        for name, image in (("before", good), ("after", cut))
    ]
    assert codes == [0, 2]
    compared = reports("diff", tmp_path / "before", tmp_path / "after")
    assert compared.returncode == 1, compared.stderr
    assert "before → after: 1 not booted\n" in compared.stdout
    assert "compared: 6.12, mine" in compared.stdout
    merged = reports("merge", "--into", tmp_path / "page", tmp_path / "after")
    assert merged.returncode == 1, merged.stdout


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A repository whose commits are built trees: Debian's 6.12, later 7.2, and some that cannot be judged."""
    repository = tmp_path_factory.mktemp("history")
    old, new = (kernels.kernel(series).image for series in ("6.12", "7.2"))
    cut = tmp_path_factory.mktemp("cut") / "bzImage"
    cut.write_bytes(old.read_bytes()[:1_000_000])
    git(repository, "init", "--quiet")
    # git bisect run starts with the fourth; which one it tries after a skip depends on the commits' hashes.
    steps = {"v1": old, "v2": old, "not built": None, "no boot": cut, "v5": old, "first bad": new, "v7": new}
    image = repository / "arch/x86/boot/bzImage"
    for name, built in steps.items():
        image.parent.mkdir(parents=True, exist_ok=True)
        image.unlink(missing_ok=True)
        if built:
            shutil.copyfile(built, image)
        (repository / "Makefile").write_text(f"# {name}\n")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", name)
    return repository


def git(repository, *words):
    identity = {
        f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    command = ["git", "-C", repository, *words]
    environment = os.environ | identity | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout


@pytest.mark.long
def test_git_bisect_run_finds_the_commit(history, tmp_path):
    git(history, "bisect", "start", "HEAD", "HEAD~6")
    # --vm-jobs gives the VM more time: on a busy machine, a boot that timed out would be skipped.
    options = ["--bisect", "--vm-jobs", "4", "--kernel", "."]
    judge = pytest_command(*options, str(PROJECT / "vm/tests/faults/newer.py"))
    script = f"exec {shlex.join(judge)} --results {tmp_path}/$(git rev-parse HEAD)"
    output = git(history, "bisect", "run", "sh", "-c", script)
    judged = re.findall(r"^# (.*): \[\w+\] (.*)", git(history, "bisect", "log"), re.MULTILINE)
    assert judged[-1] == ("first bad commit", "first bad"), output
    assert ("skip", "no boot") in judged
    assert not {("bad", "not built"), ("bad", "no boot"), ("good", "not built")} & set(judged)
