# SPDX-License-Identifier: GPL-2.0-or-later
"""The selection of tests, from any directory; mistakes are found before a VM boots."""

import json
import shutil

import pytest

from vm import kernels, repeat
from vm.bootimage import image_release
from vm.image import PROJECT
from vm.tests import pieces, sessions

SMALL = f"{sessions.FAULTS}/complaint.py"

pytestmark = pytest.mark.timeout(900)

MISTAKES = {
    "file": (["suites/fanotify_init/test_flag.py"], 4, "is suites/fanotify_init/test_flags.py meant?"),
    "directory": (
        ["suites/fanotify_imit"],
        4,
        "there is no suites/fanotify_imit; is suites/fanotify_init meant?",
    ),
    "outside": (["README.md"], 4, "README.md: a VM sees conftest.py, pyproject.toml, suites"),
    "test": ([f"{SMALL}::test_tain"], 4, "there is no test test_tain in vm/tests/faults/complaint.py"),
    "nearest": ([f"{SMALL}::test_tain"], 4, "is test_taint meant?"),
    "file without tests": (
        ["suites/fanotify_init/rules.py"],
        5,
        "matches no test: suites/fanotify_init/rules.py",
    ),
    "expression": (["-k", "nothing", SMALL], 5, f"matches no test: -k nothing {SMALL}"),
    "marker": (["-m", "behaviour", SMALL], 5, f"matches no test: -m behaviour {SMALL}"),
    "deselected": (["--deselect", SMALL, SMALL], 5, f"matches no test: --deselect {SMALL} {SMALL}"),
    "behind an option without a value": (["--gdb", "vm/tests/falts"], 4, "there is no vm/tests/falts"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_leaves_no_run(tmp_path, mistake):
    words, code, message = MISTAKES[mistake]
    session = sessions.run("--kernel", "6.12", *words, results=tmp_path / "out")
    assert session.code == code, session.output
    assert message in session.output
    assert not session.results.exists()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A built tree of a kernel that needs no module."""
    tree = tmp_path_factory.mktemp("linux")
    image = tree / "arch/x86/boot/bzImage"
    image.parent.mkdir(parents=True)
    shutil.copyfile(kernels.kernel("6.12").image, image)
    return tree


@pytest.mark.long
def test_paths_in_the_arguments_move_nothing(tmp_path, tree):
    """pytest derives its rootdir from existing paths in its arguments, even that of a kernel."""
    results = tmp_path / "out"
    results.mkdir()
    release = image_release(tree / "arch/x86/boot/bzImage")
    modules = pieces.write(tmp_path / "modules", {"vfat.ko": pieces.module("vfat", release)})
    words = ["--kernel", str(tree), "--modules", str(modules), "--ignore", "vm", str(PROJECT / SMALL)]
    session = sessions.run(*words, results=results, directory=tmp_path)
    assert list(session.statuses(tree.name).values()) == ["pass", "fail", "pass", "pass"], session.output


def test_without_a_path_all_suites_are_meant_from_any_directory(tmp_path):
    session = sessions.run(
        "--kernel", "6.12", "--collect-only", "-q", results=tmp_path / "out", directory=tmp_path
    )
    assert session.code == 0, session.output
    assert "suites/fanotify_init/test_limits.py::test_no_descriptor_left" in session.output


@pytest.mark.long
def test_a_tree_is_run_repeatedly(tree, capfd):
    assert repeat.run(str(tree), runs=1, busy=0, selection=[str(PROJECT / SMALL)]) == 0
    assert "1 fail, 3 pass" in capfd.readouterr().out


def test_what_failed_last_is_run_again(tmp_path):
    failed = {"kernel": "6.12", "test": f"{SMALL}::test_taint", "status": "fail"}
    (tmp_path / "first").mkdir()
    (tmp_path / "first/results.jsonl").write_text(json.dumps({"format": 1, **failed}) + "\n")
    environment = {"PYTEST_ADDOPTS": "-k test_"}
    session = sessions.run(
        "--kernel", "6.12", "--lf", SMALL, results=tmp_path / "out", environment=environment
    )
    assert f"--lf: only the 1 test that failed in the last run ({tmp_path}/first)" in session.output
    assert session.statuses("6.12") == {"complaint.py::test_taint": "fail"}, session.output
