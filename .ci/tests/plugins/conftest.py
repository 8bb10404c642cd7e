# SPDX-License-Identifier: GPL-2.0-or-later
"""What the plug-ins are tried with: a copy of the project as a CI system checks it out, and tests that harm no machine.

The plug-ins run the suites on the kernel they find, and here that is the kernel of whoever checks the project: so they
are asked for three tests, of which one waits for a child, one fails and one is skipped. The copy has no other suite: a
plug-in that does not hand on what it is asked for must do no harm either.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SUITE = "pidfd_wait"
NOT_CHECKED_OUT = (".git", ".tox", ".venv", "out", "__pycache__", ".*_cache")
MADE_UP = """\
# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from helpers.skips import kconfig

pytestmark = pytest.mark.behaviour("PWAIT-THREAD-PIDFD")

def test_red():
    assert "the kernel's answer" == "the right one"

def test_skipped():
    kconfig("CONFIG_MADE_UP")
"""


class Project:
    """A clean copy of the project with one suite, and three tests of it."""

    green = f"suites/{SUITE}/test_wait.py::test_leader"
    red = f"suites/{SUITE}/test_made_up.py::test_red"
    skipped = f"suites/{SUITE}/test_made_up.py::test_skipped"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        shutil.copytree(ROOT, directory, ignore=shutil.ignore_patterns(*NOT_CHECKED_OUT), symlinks=True)
        for suite in (directory / "suites").iterdir():
            if suite.is_dir() and suite.name != SUITE:
                shutil.rmtree(suite)
        (directory / self.red.partition("::")[0]).write_text(MADE_UP)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("checkout") / "fapitest")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The machine's environment, with this Python's tox first, and with what is installed for this checkout already."""
    foreign = ("PYTEST", "CI_", "GITHUB_", "KSELFTEST", "FAPITEST_RESULTS", "MAKE")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return {"TOX_WORK_DIR": str(ROOT / ".tox"), **clean, "PATH": path, "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Run:
    """Run a program with further variables; give its exit code and all that it said."""

    def run_program(
        *words: object, cwd: Path = ROOT, **variables: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=environment | {name: str(value) for name, value in variables.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run_program
