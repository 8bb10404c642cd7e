# SPDX-License-Identifier: GPL-2.0-or-later
"""--list prints what the suites declare, runs nothing, and prints nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jsonschema import Draft202012Validator

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[2]
SCHEMA = json.loads((PROJECT / "helpers" / "list.schema.json").read_text(encoding="ascii"))


def listed(*options: str) -> str:
    """Return what is printed of this project's suites, if that is right."""
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--list", *options]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def tests() -> dict[str, dict[str, Any]]:
    """All tests of the suites by their ids, as --list --json has them."""
    whole = json.loads(listed("--json"))
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(whole)
    return {test["id"]: test for test in whole["tests"]}


def test_every_test_is_listed(tests: dict[str, dict[str, Any]]) -> None:
    lines = (PROJECT / "suites" / "ids.txt").read_text(encoding="ascii").splitlines()
    assert sorted(tests) == [line for line in lines if not line.startswith("#")]


def test_every_fixture_exists() -> None:
    """A missing one would be an error in a VM, on kernels where the test is not skipped."""

    class Missing:
        found: ClassVar[set[str]] = set()

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            for item in session.items:
                assert isinstance(item, pytest.Function)
                known = {"request", *item._fixtureinfo.name2fixturedefs}
                self.found.update(set(item.fixturenames) - known)

    options = ["-c", str(PROJECT / "pyproject.toml"), "--collect-only", "-qq", str(PROJECT / "suites")]
    assert pytest.main(options, plugins=[Missing()]) == 0
    assert not Missing.found


def test_schema_refuses_what_is_no_list() -> None:
    assert not Draft202012Validator(SCHEMA).is_valid({"format": 1, "tests": [{"id": "suites/x.py::test_it"}]})


def test_what_a_test_says(tests: dict[str, dict[str, Any]]) -> None:
    test = tests["suites/fanotify_mark/test_filesystems.py::test_subvolume[FAN_MARK_INODE-btrfs-subvolume]"]
    (behaviour,), (change,) = test["behaviours"], test["changed"]
    assert (behaviour["id"], behaviour["kind"]) == ("MARK-BTRFS-SUBVOL", "documented")
    assert [each.partition(",")[0] for each in behaviour["sources"]] == ["fanotify_mark(2)"]
    assert [each["name"] for each in test["requires"]["features"]] == ["FANOTIFY"]
    assert test["requires"]["filesystems"] == ["btrfs"]
    assert (change["by"]["name"], change["by"]["since"]) == ("WEAK_FSID", ["6.8"])
    assert (change["before"], change["after"]) == ("EXDEV", "ok")


def test_selection_is_listed_in_words_and_beside_a_kernel_too() -> None:
    options = ["suites/pidfd_open/test_threads.py", "-k", "test_thread_that_ends"]
    assert listed(*options) == listed(*options, "--kernel", "6.12")
    assert listed(*options).splitlines() == [
        "suites/pidfd_open/test_threads.py::test_thread_that_ends",
        "    POPEN-THREAD-POLL (documented); requires PIDFD_THREAD 6.9",
    ]


@pytest.mark.parametrize(
    ("test", "options", "code", "said"),
    [
        ("def test_it(): pass", ["--list"], 2, "*test_it names no behaviour*"),
        ("def test_it(: pass", ["--list", "--json"], 2, "*SyntaxError*"),
        ("", ["--list"], 5, "the selection matches no test"),
        ("", ["--json"], 4, "*--json says how --list prints*"),
    ],
    ids=["declaration", "syntax", "nothing", "json-alone"],
)
def test_what_can_not_be_listed_fails(
    suite: pytest.Pytester, test: str, options: list[str], code: int, said: str
) -> None:
    (suite.path / "suites" / "fanotify_init" / "test_it.py").write_text(test)
    result = suite.runpytest_inprocess("suites", *options)
    assert (result.ret, result.outlines) == (code, [])
    result.stderr.fnmatch_lines([said])
