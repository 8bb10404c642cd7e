# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the selection of tests, so that a mistake is found before a VM boots."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from vm import image
from vm.command import CONFIGURATION, pytest_command
from vm.errors import VmError
from vm.exit_codes import NothingSelectedError
from vm.progress import waiting
from vm.words import nearest

NOT_FOUND = 4
NOTHING = 5
"""pytest's exit codes for an unknown path or test, and for an empty selection."""

NARROWING = {
    "keyword": "-k",
    "markexpr": "-m",
    "deselect": "--deselect",
    "ignore": "--ignore",
    "ignore_glob": "--ignore-glob",
    "filesystem": "--filesystem",
    "lf": "--lf",
}
"""Options that deselect tests, by the name of their value in pytest's configuration."""

LABELS = ("severities", "epics", "features", "stories", "ids", "labels")
"""The criteria by which allure-pytest selects tests."""


def check(config: pytest.Config, *, in_vm: bool) -> None:
    """Make the paths in pytest's arguments absolute, and check that they select something.

    Raises:
        NothingSelectedError: they are valid, but select nothing.
        pytest.UsageError: a path or test does not exist, or VMs do not have it.
    """
    start = config.invocation_params.dir
    words = config.args if config.args_source is config.ArgsSource.ARGS else _all(config)
    config.args = [_absolute(word, start, in_vm=in_vm) for word in words]
    for name in ("ignore", "ignore_glob"):
        ignored = getattr(config.option, name) or []
        setattr(config.option, name, [str(start / path) for path in ignored])
    if in_vm and not config.getoption("collectonly") and _may_select_nothing(config):
        _collect(config)


class _Check:
    """pytest plugin that checks the arguments for the pytest in a VM, and then exits."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        check(config, in_vm=True)
        return 0


def check_alone(arguments: Sequence[str]) -> int:
    """Do the same without a run: return 0, or print the error and return pytest's exit code."""
    return pytest.main([*pytest_command()[3:], *arguments], plugins=[_Check()])


def for_guest(config: pytest.Config) -> tuple[str, ...]:
    """Return the arguments for the pytest in a VM: those of the host, including PYTEST_ADDOPTS."""
    arguments = (*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *config.invocation_params.args)
    return _with(arguments, "-c", str(CONFIGURATION))


def _with(arguments: Sequence[str], *options: str) -> tuple[str, ...]:
    """Append options."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return (*arguments[:end], *options, *arguments[end:])


def _all(config: pytest.Config) -> list[str]:
    """Return the paths that are run if none is given, from any directory."""
    return [str(config.rootpath / path) for path in config.getini("testpaths")]


def _absolute(word: str, start: Path, *, in_vm: bool) -> str:
    name, separator, test = word.partition("::")
    path = Path(os.path.normpath(start / name))
    if not path.exists():
        here = start.resolve() == image.PROJECT
        raise pytest.UsageError(
            f"there is no {name}{nearest(name, _paths())}" if here else f"there is no {path}"
        )
    if in_vm:
        path = path.resolve()
        inside = path.relative_to(image.PROJECT) if path.is_relative_to(image.PROJECT) else None
        if inside is None or (inside.parts[:1] and inside.parts[0] not in image.PROJECT_FILES):
            raise pytest.UsageError(
                f"{name}: a VM sees {', '.join(image.PROJECT_FILES)} of {image.PROJECT}, and no other file"
            )
    return f"{path}{separator}{test}"


def _paths() -> list[str]:
    files = [path.relative_to(image.PROJECT) for path in (image.PROJECT / "suites").rglob("test_*.py")]
    return sorted({str(path) for file in files for path in (file, file.parent)})


def _may_select_nothing(config: pytest.Config) -> bool:
    """Return whether only a collection can tell if a test is selected; whole directories and files have tests."""
    suites = image.PROJECT / "suites"
    plain = (
        path.is_relative_to(suites) and (path.is_dir() or fnmatch(path.name, "test_*.py"))
        for path in map(Path, config.args)
    )
    if any(getattr(config.option, f"allure_{name}", None) for name in LABELS):
        return False
    return any(getattr(config.option, name, None) for name in NARROWING) or not all(plain)


def _collect(config: pytest.Config) -> None:
    """Collect like a VM, with the byte code for VMs."""
    done = _pytest(config, config.invocation_params.args)
    if done.returncode == NOTHING:
        raise NothingSelectedError(f"the selection matches no test: {_selection(config)}")
    if done.returncode == NOT_FOUND and (unknown := _unknown(config)):
        raise pytest.UsageError(unknown)
    if done.returncode not in (0, NOTHING) and not config.getoption("continue_on_collection_errors"):
        print(done.stdout, done.stderr, sep="", end="", file=sys.stderr)
        raise pytest.UsageError("the tests can not be collected, see above; nothing was run")


def _pytest(config: pytest.Config, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    with waiting("looking for the selected tests"):
        try:
            python = ("-X", f"pycache_prefix={image.byte_code()}")
        except VmError as error:
            raise pytest.UsageError(str(error)) from error
        words = _with(arguments, "--collect-only", "--verbosity=-1", "--no-header")
        command = pytest_command(*words, python=python)
        where = config.invocation_params.dir
        return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


def _selection(config: pytest.Config) -> str:
    """Return the selection as the user may have written it."""
    options = []
    for name, option in NARROWING.items():
        value = getattr(config.option, name, None)
        values = value if isinstance(value, list | tuple) else [value] if value else []
        options += [option if value is True else f"{option} {shlex.quote(str(value))}" for value in values]
    return " ".join(
        [*options, *(os.path.relpath(word, config.invocation_params.dir) for word in config.args)]
    )


def _unknown(config: pytest.Config) -> str | None:
    """Return a sentence about the first test that does not exist, with the most similar one that does."""
    for word in config.args:
        path, _, name = word.partition("::")
        if not name:
            continue
        listed = _pytest(config, [path]).stdout.splitlines()
        names = [line.partition("::")[2] for line in listed if "::" in line]
        known = {prefix for test in names for prefix in _prefixes(test)}
        if name not in known:
            return f"there is no test {name} in {os.path.relpath(path)}{nearest(name, sorted(known))}"
    return None


def _prefixes(test: str) -> list[str]:
    """Return the names that select a test: with its parameters, without them, and its class."""
    function, _, _ = test.partition("[")
    return [test, function, *([function.partition("::")[0]] if "::" in function else [])]
