# SPDX-License-Identifier: GPL-2.0-or-later
"""The shared environment: made once, found again without a network, and never taken away from a run."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "environment.py"
NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nonexistent", "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="module")
def environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["environment"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose dependencies are none, so that its environments need no network."""
    groups = (
        '[dependency-groups]\nrun = []\ncheck = [{include-group = "run"}]\nother = ["no-such-package==1"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(groups)
    (tmp_path / "constraints.txt").write_text("# none\n")
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    monkeypatch.setattr(environment, "CONSTRAINTS", tmp_path / "constraints.txt")
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    return tmp_path


def made(environment: ModuleType, project: Path, group: str = "run") -> Path:
    directory = environment.ready(environment.described(group, "today"), project / "environments")
    assert isinstance(directory, Path)
    return directory


def test_it_is_made_once(environment: ModuleType, project: Path) -> None:
    first = made(environment, project)
    stamp = (first / "pyvenv.cfg").stat().st_mtime_ns
    again = made(environment, project)
    assert (first, stamp) == (again, (again / "pyvenv.cfg").stat().st_mtime_ns)
    assert (project / "run").resolve() == first


def test_other_requirements_are_another_directory(environment: ModuleType, project: Path) -> None:
    first = made(environment, project)
    (project / "constraints.txt").write_text("# newer\n")
    second = made(environment, project)
    assert first != second
    assert (first / "bin" / "python").exists()
    assert (project / "run").resolve() == second


def test_one_that_a_run_holds_is_never_removed(environment: ModuleType, project: Path) -> None:
    """This process holds all that it has asked for; a process that has ended holds none."""
    for number in range(environment.KEPT + 2):
        (project / "constraints.txt").write_text(f"# {number}\n")
        made(environment, project)
    assert len(list(project.glob("environments/run-*/complete"))) == environment.KEPT + 2


def test_old_ones_go(environment: ModuleType, project: Path) -> None:
    for number in range(environment.KEPT + 2):
        (project / "constraints.txt").write_text(f"# {number}\n")
        command = "import environment, pathlib; environment.PROJECT = pathlib.Path.cwd(); "
        command += "environment.CONSTRAINTS = environment.PROJECT / 'constraints.txt'; "
        command += "environment.ready(environment.described('run', ''), environment.PROJECT / 'environments')"
        search = {"PYTHONPATH": str(SCRIPT.parent)}
        subprocess.run([sys.executable, "-c", command], cwd=project, check=True, env={**os.environ, **search})
    assert len(list(project.glob("environments/run-*/complete"))) == environment.KEPT


def test_one_that_was_cut_off_is_made_again(environment: ModuleType, project: Path) -> None:
    directory = made(environment, project)
    (directory / "complete").unlink()
    (directory / "half").touch()
    assert made(environment, project) == directory
    assert not (directory / "half").exists()


def test_the_newest_releases_are_not_bound(environment: ModuleType, project: Path) -> None:
    (project / "constraints.txt").write_text("pytest==1\n")
    assert environment.described("check", "monday").constraints == "pytest==1\n"
    assert "pytest" not in environment.described("newest", "monday").constraints
    assert environment.described("newest", "monday").name != environment.described("newest", "tuesday").name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "usage: environment.py GROUP"),
        (
            ["nothing", "-m", "pytest"],
            "fapitest: no dependency group 'nothing'; there are run, check, newest",
        ),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str) -> None:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(message)
    assert "Traceback" not in done.stderr


def test_what_can_not_be_installed_is_said(
    environment: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(environment.NotMadeError, match="could not install the Python packages"):
        made(environment, project, "other")
    assert not list(project.glob("environments/*/complete"))
