# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that a listener fills when somebody executes them, and programs that are written while they run."""

import os
import shutil
from errno import ETXTBSY
from pathlib import Path

import pytest

from helpers.actors import process_state
from helpers.errors import OK, expect
from helpers.fanotify import watching
from helpers.permission import Requester, requesting
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_NONBLOCK,
    FAN_OPEN_EXEC_PERM,
    FAN_PRE_ACCESS,
    O_RDWR,
)
from helpers.waiting import is_readable, wait_until

CONTENT, PRE_CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK, FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK
BUSYBOX = Path(shutil.which("busybox"))


@pytest.fixture
def program(disk_dir):
    """A program of the right length, in which everything is missing: the first word says what is to be done."""
    path = disk_dir / "program"
    path.touch(0o755)
    os.truncate(path, BUSYBOX.stat().st_size)
    return path


@pytest.fixture
def complete(program):
    """The same program with all of its content."""
    shutil.copy(BUSYBOX, program)
    return program


def execute(program, *arguments):
    return lambda: os.execv(program, arguments)


def fill(fd):
    content = BUSYBOX.read_bytes()
    assert os.pwrite(fd, content, 0) == len(content)


def answer(group, requester, condition, act=None):
    """Act on each question and allow it, until the condition holds."""

    def is_over():
        if is_readable(group):
            for event in group.read():
                if act:
                    act(event.fd)
                group.respond(event.fd, FAN_ALLOW)
        return condition(requester)

    wait_until(is_over, f"{requester.pid} is asked for and goes on")


def has_exited(requester):
    return os.waitid(os.P_PID, requester.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)


def is_running(requester):
    """Tell whether the program has begun and sleeps, as it is told to."""
    program = Path(f"/proc/{requester.pid}/exe").readlink().name
    return program == "program" and process_state(requester.pid) == "S"


@pytest.mark.behaviour("PERM-EXEC-PRE-FILL")
@requires(FAN_PRE_ACCESS)
def test_filled_before_it_is_read(program):
    filled = []

    def fill_once(fd):
        if not filled:
            filled.append(fill(fd))

    with (
        watching(program, FAN_PRE_ACCESS, PRE_CONTENT, O_RDWR) as group,
        Requester(execute(program, "true")) as requester,
    ):
        requester.start()
        answer(group, requester, has_exited, fill_once)
        assert (requester.reap(), len(filled)) == (0, 1)
    assert program.read_bytes() == BUSYBOX.read_bytes()


@pytest.mark.behaviour("PERM-EXEC-PRE-WRITE")
@requires(FAN_PRE_ACCESS)
def test_written_while_it_runs(complete):
    with (
        watching(complete, FAN_PRE_ACCESS, PRE_CONTENT) as group,
        Requester(execute(complete, "sleep", "1000")) as requester,
    ):
        requester.start()
        answer(group, requester, is_running)
        expect(OK, open, complete, "r+b")


@pytest.mark.behaviour("PERM-EXEC-PRE-WRITE")
@requires(FAN_PRE_ACCESS)
def test_executed_while_it_is_written(complete):
    with (
        complete.open("r+b"),
        watching(complete, FAN_PRE_ACCESS, PRE_CONTENT) as group,
        Requester(execute(complete, "true")) as requester,
    ):
        requester.start()
        answer(group, requester, has_exited)
        assert requester.reap() == 0


@pytest.mark.behaviour("PERM-EXEC-BUSY")
def test_written_while_it_runs_and_is_watched_otherwise(complete):
    with (
        watching(complete, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        Requester(execute(complete, "sleep", "1000")) as requester,
    ):
        requester.start()
        answer(group, requester, is_running)
        expect(ETXTBSY, open, complete, "r+b")


@pytest.mark.behaviour("PERM-EXEC-FILL")
def test_filled_before_it_is_opened(program):
    with (
        watching(program, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        requesting(group, execute(program, "true")) as requester,
    ):
        with program.open("r+b") as opened:
            fill(opened.fileno())
        group.respond(requester.event.fd, FAN_ALLOW)
        requester.await_zombie()
        assert requester.reap() == 0


@pytest.mark.behaviour("PERM-EXEC-FILL")
def test_still_open_for_writing_when_it_is_allowed(complete):
    with (
        watching(complete, FAN_OPEN_EXEC_PERM, CONTENT) as group,
        complete.open("r+b"),
        requesting(group, execute(complete, "true")) as requester,
    ):
        group.respond(requester.event.fd, FAN_ALLOW)
        expect(ETXTBSY, requester.finish)
