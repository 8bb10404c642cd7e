# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_OPEN_EXEC_PERM: who is asked before a program runs."""

import os
import re
import shutil
import subprocess
from errno import EPERM
from pathlib import Path

import pytest

from helpers.actors import Actor
from helpers.errors import expect
from helpers.fanotify import watching
from helpers.permission import requesting
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_DENY,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_OPEN_EXEC_PERM,
)
from helpers.waiting import readable

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK
INTERPRETER = re.compile(rb"/lib[^\0]*/ld-[^\0]*\0")


@pytest.fixture
def program(public_dir):
    """A program which needs no other file."""
    return Path(shutil.copy(shutil.which("busybox"), public_dir / "program"))


def run(program):
    os.execv(program, ["true"])


@pytest.mark.behaviour("PERM-OPEN-EXEC")
def test_allowed_program(program):
    with (
        watching(program, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        requesting(group, lambda: run(program)) as requester,
    ):
        assert (requester.event.mask, requester.event.pid) == (FAN_OPEN_EXEC_PERM, requester.pid)
        group.respond(requester.event.fd, FAN_ALLOW)
        requester.await_zombie()
        assert requester.reap() == 0


@pytest.mark.behaviour("PERM-OPEN-EXEC")
def test_denied_program(program):
    with (
        watching(program, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        requesting(group, lambda: run(program)) as requester,
    ):
        group.respond(requester.event.fd, FAN_DENY)
        expect(EPERM, requester.finish)


@pytest.mark.behaviour("PERM-OPEN-EXEC")
def test_opening_is_no_execution(program):
    with (
        watching(program, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        Actor(lambda: len(program.read_bytes())) as reader,
    ):
        assert reader.act() == program.stat().st_size
        group.assert_empty()


@pytest.mark.behaviour("PERM-OPEN-EXEC-INTERPRETER")
@pytest.mark.parametrize("answer", [FAN_ALLOW, FAN_DENY])
def test_interpreter_of_a_program(public_dir, answer):
    program, loader = dynamic_program(public_dir)

    def act():
        os.chdir(public_dir)
        os.execv(program, [program, "-V"])

    with watching(program, FAN_OPEN_EXEC_PERM, CONTENT) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN_EXEC_PERM, loader)
        with requesting(group, act) as requester:
            assert os.path.samestat(os.fstat(requester.event.fd), program.stat())
            group.respond(requester.event.fd, FAN_ALLOW)
            readable(group, "the event of the interpreter")
            event = group.read_one()
            assert os.path.samestat(os.fstat(event.fd), loader.stat())
            group.respond(event.fd, answer)
            if answer == FAN_DENY:
                expect(EPERM, requester.finish)
            else:
                requester.await_zombie()
                assert requester.reap() == 0


def dynamic_program(directory):
    """Copy a program and the interpreter that it names, so that nobody else uses either."""
    content = Path(shutil.which("debugfs")).read_bytes()
    name = INTERPRETER.search(content)[0]
    loader = Path(shutil.copy(name.rstrip(b"\0").decode(), directory / "ld.so"))
    program = Path(shutil.copy(shutil.which("debugfs"), directory / "dynamic"))
    # A relative name of the same length is looked for in the current directory.
    program.write_bytes(content.replace(name, b"ld.so".ljust(len(name), b"\0")))
    return program, loader


@pytest.fixture
def script(public_dir, program):
    shell = program.rename(public_dir / "sh")
    path = public_dir / "script"
    path.write_text(f"#!{shell}\nexit 3\n")
    path.chmod(0o755)
    return path


@pytest.mark.behaviour("PERM-OPEN-EXEC-SCRIPT")
def test_script_as_an_argument(script):
    with (
        watching(script, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        Actor(lambda: subprocess.run([script.with_name("sh"), script], check=False).returncode) as shell,
    ):
        assert shell.act() == 3
        group.assert_empty()


@pytest.mark.behaviour("PERM-OPEN-EXEC-SCRIPT")
def test_script_as_a_program(script):
    with (
        watching(script, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        requesting(group, lambda: os.execv(script, [script])) as requester,
    ):
        group.respond(requester.event.fd, FAN_ALLOW)
        requester.await_zombie()
        assert requester.reap() == 3
