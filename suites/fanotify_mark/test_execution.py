# SPDX-License-Identifier: GPL-2.0-or-later
"""What FAN_OPEN_EXEC is about: what is executed, and not what an interpreter reads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.changes import changed_by
from helpers.children import fork
from helpers.features import Feature
from helpers.uapi import FAN_MARK_ADD, FAN_OPEN, FAN_OPEN_EXEC, Mask

EVENTS = FAN_OPEN | FAN_OPEN_EXEC
"""Whether one is reported shows beside the other: both happen at once."""


@pytest.fixture
def shell(public_dir):
    """A shell which nobody else executes."""
    return Path(shutil.copy(str(shutil.which("busybox")), public_dir / "sh"))


@pytest.fixture
def script(shell):
    """A script for that shell."""
    script = shell.with_name("script")
    script.write_text(f"#!{shell}\nexit 0\n")
    script.chmod(0o755)
    return script


@pytest.mark.behaviour("MARK-EXEC-SCRIPT")
def test_script_is_executed(script, group):
    group.mark(FAN_MARK_ADD, EVENTS, script)
    subprocess.run([script], check=True)
    assert group.read_one().mask == EVENTS


@pytest.mark.behaviour("MARK-EXEC-SCRIPT")
def test_interpreter_of_a_script(script, shell, group):
    group.mark(FAN_MARK_ADD, EVENTS, shell)
    subprocess.run([script], check=True)
    assert group.read_one().mask == EVENTS


@pytest.mark.behaviour("MARK-EXEC-SCRIPT")
def test_script_is_read(script, shell, group):
    group.mark(FAN_MARK_ADD, EVENTS, script)
    subprocess.run([shell, script], check=True)
    assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("MARK-EXEC-ELF-INTERPRETER")
def test_elf_interpreter(group):
    interpreter = next(
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/ld-" in line
    )
    group.mark(FAN_MARK_ADD, EVENTS, interpreter)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert EVENTS in {event.mask for event in group.read() if event.pid == child.pid}


@pytest.mark.behaviour("MARK-EXEC-DESCRIPTOR")
# 7b8c9d7bb457 ("fsnotify: move fsnotify_open() hook into do_dentry_open()"), 6.5, as what splice(2) reads
@changed_by(Feature.SPLICE_EVENTS, before=Mask(0), after=EVENTS)
def test_executed_by_descriptor(shell, group, answer):
    program = os.open(shell, os.O_PATH | os.O_CLOEXEC)
    group.mark(FAN_MARK_ADD, EVENTS, shell)
    child = fork()
    if child == 0:
        os.execve(program, ["true"], {})
    os.close(program)
    assert os.waitpid(child, 0)[1] == 0
    if answer:
        assert group.read_one().mask == answer
    group.assert_empty()
