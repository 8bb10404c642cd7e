# SPDX-License-Identifier: GPL-2.0-or-later
"""A tracee stops where it must, makes the requested calls, and leaves nothing behind."""

import ctypes
import os
from errno import EBADF
from pathlib import Path

import pytest

from helpers import actors
from helpers.syscalls import syscall
from helpers.tracee import Departure, Tracee
from helpers.uapi import CLONE_FILES, CLONE_FS, CLONE_PARENT_SETTID, CLONE_SIGHAND, CLONE_THREAD, CLONE_VM

THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD


def test_child_is_held_before_and_after_a_call(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with Tracee(file.touch) as tracee:
        tracee.actor.start()
        tracee.run_to_entry("openat")
        assert not file.exists()
        assert tracee.run_to_exit() >= 0
        assert file.exists()
        tracee.release()
        tracee.actor.finish()


def test_child_makes_another_call_and_then_its_own() -> None:
    with Tracee(lambda: syscall("gettid")) as tracee:
        tracee.actor.start()
        tracee.run_to_entry("gettid")
        assert tracee.call("close", 1000) == -EBADF
        tracee.release()
        assert tracee.actor.finish() == tracee.pid


def test_memory_of_the_child_is_its_own() -> None:
    cell = ctypes.c_int(1)
    address = ctypes.addressof(cell)
    with Tracee(os.getpid) as tracee:
        assert tracee.read_int(address) == 1
        tracee.write(address, bytes(ctypes.c_int(2)))
        assert tracee.read_int(address) == 2
    assert cell.value == 1


def test_child_makes_a_thread_that_never_runs_python() -> None:
    tid = ctypes.c_int(-1)
    address = ctypes.addressof(tid)
    with Tracee(lambda: [syscall("gettid"), tid.value]) as tracee:
        tracee.actor.start()
        tracee.run_to_entry("gettid")
        thread = tracee.call("clone", THREAD | CLONE_PARENT_SETTID, 0, address, 0, 0)
        assert tracee.threads == [thread]
        assert Path(f"/proc/{tracee.pid}/task/{thread}").exists()
        tracee.end_thread(thread)
        assert not Path(f"/proc/{tracee.pid}/task/{thread}").exists()
        tracee.release()
        assert tracee.actor.finish() == [tracee.pid, thread]


@pytest.mark.parametrize("threads", [0, 1])
def test_leaving_kills_what_is_held(threads: int) -> None:
    with Tracee(lambda: syscall("gettid")) as tracee:
        tracee.actor.start()
        tracee.run_to_entry("gettid")
        for _ in range(threads):
            tracee.call("clone", THREAD, 0, 0, 0, 0)
    with pytest.raises(FileNotFoundError):
        actors.process_state(tracee.pid)


def test_process_is_held_on_its_way_out_and_after() -> None:
    with actors.Actor(os.getpid) as actor, Departure(actor.pid) as departure:
        actor.leave(3)
        departure.hold()
        assert actors.process_state(actor.pid) == "t"
        departure.become_zombie()
        assert actors.process_state(actor.pid) == "Z"
        departure.let_go()
        assert not Path(f"/proc/{actor.pid}").exists()


def test_process_whose_end_is_not_waited_for_is_killed() -> None:
    with actors.Actor(os.getpid) as actor:
        with Departure(actor.pid):
            pass
        assert not Path(f"/proc/{actor.pid}").exists()
