# SPDX-License-Identifier: GPL-2.0-or-later
"""The pid of an event: whose it is, and in whose eyes."""

import os
import socket
from pathlib import Path

import pytest

from helpers import actors
from helpers.actors import Actor, ThreadActor
from helpers.fanotify import watching
from helpers.pidfd import clone_in
from helpers.uapi import (
    CLONE_NEWPID,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_OPEN,
    FAN_REPORT_FID,
    FAN_REPORT_TID,
    Init,
)
from helpers.waiting import readable

PF_KTHREAD = 0x00200000
INVISIBLE = 0
FIRST_OF_ITS_NAMESPACE = 1


@pytest.mark.behaviour("META-PID")
def test_process_of_a_thread(file):
    with watching(file, FAN_OPEN) as group, ThreadActor(file.read_bytes) as thread:
        thread.act()
        assert group.read_one().pid == os.getpid() != thread.tid


@pytest.mark.behaviour("META-TID")
def test_thread(file):
    with watching(file, FAN_OPEN, FAN_REPORT_TID) as group, ThreadActor(file.read_bytes) as thread:
        thread.act()
        assert group.read_one().pid == thread.tid


@pytest.mark.behaviour("META-PID-DEAD")
@pytest.mark.parametrize("flags", [Init(0), FAN_REPORT_TID, FAN_REPORT_FID])
def test_process_which_is_gone(file, flags):
    with watching(file, FAN_OPEN, flags) as group, actors.reaped(file.read_bytes) as actor:
        assert group.read_one().pid == actor.pid


@pytest.mark.behaviour("META-PID-LAST-CLOSE")
def test_process_which_closes_last(file):
    fd = os.open(file, os.O_RDONLY)
    with watching(file, FAN_CLOSE) as group, Actor(lambda: os.close(fd), keep=[fd]) as actor:
        os.close(os.dup(fd))
        os.close(fd)
        group.assert_empty()
        actor.act()
        assert group.read_one().pid == actor.pid


def in_own_pid_namespace(act, group):
    return Actor(act, make=lambda child: clone_in(CLONE_NEWPID, child), keep=[group.fd])


@pytest.mark.behaviour("META-PID-READER-NS")
def test_reader_who_cannot_see_the_process(file):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_FID) as group,
        in_own_pid_namespace(lambda: group.read_one().pid, group) as reader,
    ):
        file.read_bytes()
        assert reader.act() == INVISIBLE


@pytest.mark.behaviour("META-PID-READER-NS")
def test_reader_who_has_another_number_for_the_process(file):
    def act():
        file.read_bytes()
        return group.read_one().pid

    with watching(file, FAN_OPEN, FAN_REPORT_FID) as group, in_own_pid_namespace(act, group) as reader:
        assert reader.act() == FIRST_OF_ITS_NAMESPACE


@pytest.mark.behaviour("META-PID-READER-NS")
def test_reader_outside(file):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_FID) as group,
        in_own_pid_namespace(file.read_bytes, group) as actor,
    ):
        actor.act()
        assert group.read_one().pid == actor.pid != FIRST_OF_ITS_NAMESPACE


def collects_in_a_kernel_thread():
    """Tell whether this kernel closes what garbage sockets hold in a work of its own (6.10, 6.1.141).

    Only its functions are looked for: a kernel without CONFIG_KALLSYMS_ALL does not name its variables.
    """
    symbols = Path("/proc/kallsyms").read_text(encoding="ascii")
    return " __unix_gc" in symbols or " unix_schedule_gc" in symbols


def is_kernel_thread(pid):
    flags = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[6]
    return bool(int(flags) & PF_KTHREAD)


@pytest.mark.behaviour("META-PID-KTHREAD")
def test_kernel_thread(file):
    """Two sockets whose only references are in each other's queues are garbage, and a file with them."""
    with watching(file, FAN_CLOSE, Init(0)) as group:
        one, other = socket.socketpair()
        with one, other, file.open("rb") as opened:
            socket.send_fds(one, [b"x"], [one.fileno(), other.fileno(), opened.fileno()])
        socket.socket(socket.AF_UNIX).close()  # whenever a socket is closed the kernel looks for garbage
        readable(group, "the garbage is collected")
        event = group.read_one()
        assert event.mask == FAN_CLOSE_NOWRITE
        assert is_kernel_thread(event.pid) == collects_in_a_kernel_thread()
        assert is_kernel_thread(event.pid) or event.pid == os.getpid()
