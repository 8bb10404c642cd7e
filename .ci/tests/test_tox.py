# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels share one environment: another one installs nothing, needs no network, and may run beside the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTHING = ("--", "--collect-only", "-q", "suites/pidfd_wait")
"""Tests that are only counted."""
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/nonexistent",
    "PIP_CONFIG_FILE": os.devnull,
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
}


def tox(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tox", "--workdir", str(directory), *words]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TOX_", "PYTEST"))}
    return subprocess.run(
        command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(900)
def test_other_kernels_install_nothing(tmp_path: Path) -> None:
    first = tox(tmp_path, "-e", "vm-6.12", *NOTHING)
    assert first.returncode == 0, first.stdout + first.stderr
    (environment,) = tmp_path.glob("environments/run-*/complete")
    made = (environment.parent / "pyvenv.cfg").stat().st_mtime_ns
    both = tox(tmp_path, "-p", "2", "-e", "vm-6.1,vm-7.2", *NOTHING, **OFFLINE)
    assert both.returncode == 0, both.stdout + both.stderr
    assert "installing" not in both.stdout + both.stderr
    assert list(tmp_path.glob("environments/run-*/complete")) == [environment]
    assert (environment.parent / "pyvenv.cfg").stat().st_mtime_ns == made


@pytest.mark.timeout(900)
def test_a_kernel_that_there_is_not_is_no_success(tmp_path: Path) -> None:
    """tox takes vm-6.21 for an environment: it would do nothing, and congratulate."""
    done = tox(tmp_path, "-e", "vm-6.21")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "unknown kernel 'vm-6.21'; is 6.1 meant? known are 5.10" in done.stdout + done.stderr
