# SPDX-License-Identifier: GPL-2.0-or-later
"""A small project on which the tests of this room run pytest as its users do."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from helpers.contract.manifest import End, Kernel, Manifest
from helpers.contract.results import Result, kernels, read
from reports.browser import NoBrowserError, chromium
from reports.names import is_test

ROOT = Path(__file__).parents[2]


def plan_of(results: Iterable[Result], how: End | None = End.COMPLETE) -> Manifest:
    """Return the manifest of a run that planned just what these results are of."""
    made = Manifest(how=how)
    for name, found in kernels(results).items():
        made = made.with_kernel(Kernel(name, release=found[0].release, accel=found[0].accel))
        if tests := {one.test: one.behaviours for one in found if is_test(one.test)}:
            made = made.with_tests(name, tests)
    return made


@dataclass
class Finished:
    """What a run of pytest left behind."""

    code: int
    output: str
    directory: Path

    @property
    def results(self) -> dict[tuple[str, str], Result]:
        """By kernel and the name of the test."""
        found = read(self.directory / "results.jsonl")
        assert found.left_out == []
        return {(result.kernel, result.test.partition("::")[2]): result for result in found.results}

    @property
    def last_line(self) -> str:
        return self.output.rstrip().rpartition("\n")[2]


class Project:
    """A directory with tests in it."""

    def __init__(self, directory: Path, *, cache_option: bool = True) -> None:
        self.plugins = ["-p", "reports.plugin", "-p", "reports.tests.machines"]
        # pytest then does not even know --lf
        self.plugins += ["-p", "no:cacheprovider"] if cache_option else []
        self.directory = directory
        self.out = directory / "out"
        self.environment = {
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
            "OUT": str(self.out),
            "TMPDIR": str(directory),
        }
        (directory / "pytest.ini").write_text("[pytest]\n")

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    @contextlib.contextmanager
    def start(self, *arguments: object, kernel: str = "") -> Iterator[subprocess.Popen[str]]:
        """Start pytest, and end it with the context; with `kernel` the process itself is one."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        environment = inherited | self.environment | ({"KERNEL": kernel} if kernel else {})
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", *self.plugins, *map(str, arguments)],
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: object, results: str | Path = "results", kernel: str = "") -> Finished:
        """Run pytest until it ends."""
        with self.start(*arguments, "--results", self.directory / results, kernel=kernel) as process:
            output = process.communicate()[0]
        return Finished(process.returncode, output, self.directory / results)

    def run_here(self, *arguments: object, results: str | Path = "results", kernel: str = "6.1") -> Finished:
        """Run pytest on one kernel, in one process."""
        return self.run("--on-this-machine", *arguments, results=results, kernel=kernel)


def on(kernels: Sequence[str]) -> list[str]:
    """Return the arguments for a run on kernels that are workers of pytest-xdist."""
    return [
        "--dist",
        "each",
        *(word for name in kernels for word in ("--kernel", name, "--tx", f"popen//env:KERNEL={name}")),
    ]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """Chromium; where it is missing these tests fail, for a page that nobody has opened is not tested."""
    try:
        with chromium() as driver:
            yield driver
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    yield from _mounted(tmp_path / "tiny", "size=64k")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A directory in which nobody can write, not even root."""
    yield from _mounted(tmp_path / "read-only", "ro")


def _mounted(directory: Path, options: str) -> Iterator[Path]:
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "fapitest", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nobody may mount here but root")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


def without_times(text: str) -> str:
    """Blank out what differs from run to run."""
    return re.sub(r"\d+\.\d+ ?s", "0.00 s", text)
