# SPDX-License-Identifier: GPL-2.0-or-later
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.contract.behaviours import Behaviour
from reports import trace
from reports.matrix import build
from reports.tests.conftest import ROOT
from reports.tests.test_formats import CATALOGUE, COMMIT, RESULTS


def test_text() -> None:
    assert trace.as_text(build(RESULTS[:2], CATALOGUE, whole=True)).splitlines() == [
        "behaviour  kind        6.12  source; tests",
        "MARK-1     documented  pass  fanotify_mark(2), ERRORS, EINVAL; suites/fanotify/test_mark.py::test_ignore",
        "MARK-2     documented  fail  fanotify_mark(2), ERRORS; suites/fanotify/test_mark.py::test_einval",
        f"MARK-3     decided     fail  commit {COMMIT}; suites/fanotify/test_mark.py::test_einval",
        "MARK-4     documented  -     fanotify(7); untested: It takes years.",
        "POPEN-4    documented  -     pidfd_open(2); not run",
        "OTHER-1    -           -     not run",
    ]


def test_markdown() -> None:
    lines = trace.as_markdown(build(RESULTS, CATALOGUE, whole=True)).splitlines()
    assert lines[:4] == [
        "| behaviour | kind | source | tests | 6.12 | 7.2 |",
        "| --- | --- | --- | --- | --- | --- |",
        (
            r"| MARK-1 | documented | fanotify\_mark(2), ERRORS, EINVAL | "
            r"suites/fanotify/test\_mark.py::test\_ignore | pass | pass |"
        ),
        (
            r"| MARK-2 | documented | fanotify\_mark(2), ERRORS | "
            r"suites/fanotify/test\_mark.py::test\_einval | fail | pass |"
        ),
    ]


def test_cases_of_a_function_are_counted() -> None:
    matrix = build(RESULTS, {})
    row = matrix.rows[0]
    (result,) = row.results["6.12"]
    many = [type(result)(**vars(result) | {"test": f"a.py::x[{case}]"}) for case in "abc"]
    (only,) = build(many, {}).rows
    assert trace._tests(only) == ["a.py::x (3)"]


@pytest.mark.parametrize(
    ("behaviour", "tests", "mistake"),
    [
        (Behaviour("A-1", "a"), {"x": ["A-1"]}, None),
        (Behaviour("A-1", "a", untested="why"), {"x": ["A-2"]}, None),
        (Behaviour("A-1", "a"), {"x": ["A-2"]}, "A-1: no test verifies it"),
        (Behaviour("A-1", "a"), {}, "A-1: no test verifies it"),
        (Behaviour("A-1", "a", untested="why"), {"x": ["A-1"]}, "A-1: a test verifies it, yet"),
    ],
)
def test_mistakes(behaviour: Behaviour, tests: dict[str, list[str]], mistake: str | None) -> None:
    found = trace.mistakes({behaviour.id: behaviour}, tests)
    assert [one.startswith(str(mistake)) for one in found] == ([True] if mistake else [])


def collect(suites: Path) -> subprocess.CompletedProcess[str]:
    """Collect in a process of its own, as the command line does."""
    code = "import sys, pathlib, reports.trace as t; print(t.collected(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(suites)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p reports.tests.machines\n")
    (tmp_path / "suites").mkdir()
    return tmp_path / "suites"


def test_collected(suites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNEL", "any")
    text = "import pytest\n@pytest.mark.behaviour('A-1', 'A-2')\ndef test_x(): assert 0\n"
    (suites / "test_a.py").write_text(text)
    assert collect(suites).stdout == "{'suites/test_a.py::test_x': ['A-1', 'A-2']}\n"


def test_what_can_not_be_collected_is_told(suites: Path) -> None:
    (suites / "test_a.py").write_text("import no_such_module\n")
    done = collect(suites)
    assert "NotCollectedError" in done.stderr
    assert "No module named 'no_such_module'" in done.stderr


def test_ctrl_c_while_tests_are_collected_is_no_mistake_of_theirs(suites: Path) -> None:
    (suites / "test_a.py").write_text("raise KeyboardInterrupt\n")
    assert collect(suites).stderr.splitlines()[-1] == "KeyboardInterrupt"


def test_what_the_suites_have_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("import no_such_module\n")
    command = ["env", f"PYTEST_ADDOPTS=-x {tmp_path}", sys.executable, "-m", "reports", "trace", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback (most recent call last)" not in done.stderr
    assert "No module named 'no_such_module'" in done.stderr


def test_every_behaviour_of_the_suites_has_a_test_or_a_reason_to_have_none() -> None:
    command = [sys.executable, "-m", "reports", "trace", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
