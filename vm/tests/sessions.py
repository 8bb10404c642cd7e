# SPDX-License-Identifier: GPL-2.0-or-later
"""Real runs for the tests: pytest in a subprocess, with VMs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vm import cache, image, kernels
from vm.command import CONFIGURATION, pytest_command
from vm.image import PROJECT

FAULTS = "vm/tests/faults"
PATIENCE = 600.0
"""Timeout in seconds for a run of a few tests on a busy machine."""


def _mark(results: Path) -> bytes:
    """The environment variable that identifies the processes of a run."""
    return b"FAPITEST_TEST_RUN=" + bytes(results)


@dataclass
class Session:
    """A run, ended or not."""

    results: Path
    process: subprocess.Popen[str]
    output: str = ""
    patience: float = PATIENCE

    @property
    def code(self) -> int | None:
        return self.process.returncode

    def wait(self) -> Session:
        self.output, _ = self.process.communicate(timeout=self.patience)
        return self

    def records(self) -> list[dict[str, Any]]:
        file = self.results / "results.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [record for record in map(json.loads, lines) if "test" in record]

    def statuses(self, kernel: str) -> dict[str, str]:
        """Test name without its path -> status, of one kernel."""
        return {r["test"].rpartition("/")[2]: r["status"] for r in self.records() if r["kernel"] == kernel}

    def virtual_machines(self) -> list[int]:
        """The pids of this run's QEMU processes."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (directory / "cmdline").read_bytes().split(b"\0")
                a_vm = b"qemu" in words[0] and b"-kernel" in words  # not a QEMU that only prints its version
                if a_vm and _mark(self.results) in (directory / "environ").read_bytes().split(b"\0"):
                    found.append(int(directory.name))
        return found


def start(
    *options: str,
    results: Path,
    environment: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    patience: float = PATIENCE,
    directory: Path = PROJECT,
) -> Session:
    """Start a run with the given options of pytest, with standard output and error in one stream."""
    # In the background of a script these signals are ignored, and the run would inherit that.
    heeding = ("env", "--default-signal=INT,TERM,HUP")
    words = pytest_command("--results", str(results), *options)
    if (directory / CONFIGURATION.name).exists():  # another checkout
        words[words.index(str(CONFIGURATION))] = str(directory / CONFIGURATION.name)
    command = [*prefix, *heeding, *words]
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "FAPITEST_TEST_RUN": str(results), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return Session(results, process, patience=patience)


def run(*options: str, **arguments: Any) -> Session:
    """Run pytest with the given options, and wait until it ends."""
    return start(*options, **arguments).wait()


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        time.sleep(0.05)


def private_cache(directory: Path) -> dict[str, str]:
    """Make a cache with the guest image, the 6.12 kernel and lists a week old; return its environment variable."""
    kernels.kernel("6.12")
    image.base()
    for name in ("apt", "base", "kernels/6.12", "kvm"):
        if (cache.root() / name).exists():
            shutil.copytree(cache.root() / name, directory / name)
    for stamp in directory.glob("apt/*/updated"):
        os.utime(stamp, (0, 0))
    return {"FAPITEST_CACHE": str(directory)}


@contextlib.contextmanager
def endless(results: Path, *options: str, **arguments: Any) -> Iterator[Session]:
    """Start a run, and wait until one test has passed and the next one, which never ends, is running."""
    words = ["--kernel", "6.12", "--accel", "tcg", f"{FAULTS}/endless.py", "--timeout", "0", *options]
    session = start(*words, results=results, **arguments)
    try:
        wait_until(lambda: session.records() or session.process.poll() is not None, "the first result")
        assert session.process.poll() is None, session.wait().output
        yield session
    finally:
        if session.process.poll() is None:
            session.process.kill()
            session.wait()
