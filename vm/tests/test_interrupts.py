# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C at any time gives one line and the exit code in the README."""

import os
import signal
import subprocess
import sys

import pytest

from vm import interrupts
from vm.command import pytest_command
from vm.image import PROJECT
from vm.tests import sessions

SMALL = f"{sessions.FAULTS}/complaint.py"
CTRL_C = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"

IMPORTING = {
    "vm": (["-m", "vm", "list"], "rich", 2),
    "reports": (["-m", "reports", "list"], "rich", 2),
    "pytest": (pytest_command("--kernel", "6.12")[1:], "ctypes", 2),
    "bisect": (pytest_command("--kernel", "6.12", "--bisect")[1:], "ctypes", 130),
}


@pytest.mark.parametrize("case", IMPORTING)
def test_while_python_imports(tmp_path, case):
    """The first import of a certain module sends the signal."""
    words, module, code = IMPORTING[case]
    (tmp_path / f"{module}.py").write_text(CTRL_C)
    command = ["env", "--default-signal=INT", f"PYTHONPATH={tmp_path}", sys.executable, *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines() == [f"{'reports' if case == 'reports' else 'fapitest'}: interrupted"]


@pytest.mark.timeout(900)
def test_while_tests_are_looked_for(tmp_path):
    run = sessions.start("--kernel", "6.12", "-k", "nothing", results=tmp_path / "out")
    assert run.process.stdout
    assert run.process.stdout.readline() == "fapitest: looking for the selected tests\n"
    os.killpg(run.process.pid, signal.SIGINT)
    run.wait()
    assert (run.code, run.output.splitlines()) == (2, [interrupts.LINE])
