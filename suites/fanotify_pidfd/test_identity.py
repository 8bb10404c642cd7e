# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose pidfd an event carries."""

import contextlib
import os
import socket
from pathlib import Path
from signal import SIGKILL

import pytest

from helpers import fdinfo, skips
from helpers.actors import Actor, ActorDied, LeaderlessActor, ThreadActor, in_turn, live
from helpers.events import PidfdRecord
from helpers.fanotify import watching
from helpers.pidfd import pidfd_open, pidfd_send_signal
from helpers.uapi import (
    FAN_CLOSE_NOWRITE,
    FAN_EVENT_ON_CHILD,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_PIDFD,
    PIDFD_THREAD,
)


@pytest.mark.behaviour("PIDFD-SELF")
def test_listener_itself(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group:
        file.read_text()
        assert fdinfo.read_pidfd(group.read_one().pidfd).pid == os.getpid()


@pytest.mark.behaviour("PIDFD-EQUAL-OPEN")
def test_equal_to_a_pidfd_of_pidfd_open(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(file.read_text) as actor:
        event = group.read_one()
        assert event.pid == actor.pid
        own = pidfd_open(event.pid)
        assert fdinfo.read_text(event.pidfd) == fdinfo.read_text(own)
        assert os.path.sameopenfile(event.pidfd, own)
        os.close(own)


@pytest.mark.behaviour("PIDFD-THREAD")
def test_thread(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, ThreadActor(file.read_text) as actor:
        actor.act()
        event = group.read_one()
        assert event.pid == fdinfo.read_pidfd(event.pidfd).pid == os.getpid()
        assert not fdinfo.read_pidfd(event.pidfd).flags & PIDFD_THREAD


@pytest.mark.behaviour("PIDFD-LEADER-EXITED")
def test_process_whose_leader_has_exited(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, LeaderlessActor(file.read_text) as actor:
        actor.act()
        event = group.read_one()
        assert event.pid == fdinfo.read_pidfd(event.pidfd).pid == actor.pid
        pidfd_send_signal(event.pidfd, SIGKILL)
        actor.await_zombie()
        assert actor.reap() == -SIGKILL


def leave_to_the_collector(path):
    """Put an open file where only the collector of sockets in flight finds it, so that the collector closes it."""
    ours, theirs = socket.socketpair()
    with path.open() as file:
        socket.send_fds(ours, [b"x"], [file.fileno(), ours.fileno(), theirs.fileno()])
    ours.close()
    theirs.close()


@pytest.mark.behaviour("PIDFD-KTHREAD")
def test_kernel_thread(file):
    with watching(file, FAN_CLOSE_NOWRITE, FAN_REPORT_PIDFD) as group:
        leave_to_the_collector(file)
        # The collector works when a socket is closed next.
        for end in socket.socketpair():
            end.close()
        event = group.read_one()
        if event.pid == os.getpid():
            skips.not_implemented("a kernel thread that collects sockets, 6.10 and 6.1.190")
        assert "kworker" in Path(f"/proc/{event.pid}/comm").read_text()
        assert fdinfo.read_pidfd(event.pidfd).pid == event.pid
        pidfd_send_signal(event.pidfd, SIGKILL)
        pidfd_send_signal(event.pidfd, 0)


@pytest.mark.behaviour("PIDFD-EXEC")
def test_process_that_executes_another_program(file):
    read_and_execute = in_turn(file.read_text, lambda: os.execvp("sleep", ["sleep", "1000"]))
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, Actor(read_and_execute) as actor:
        actor.act()
        actor.start()
        # The channel of the actor is close-on-exec: it ends when the other program begins.
        with contextlib.suppress(ActorDied):
            actor.finish()
        assert Path(f"/proc/{actor.pid}/comm").read_text() == "sleep\n"
        event = group.read_one()
        assert fdinfo.read_pidfd(event.pidfd).pid == actor.pid
        pidfd_send_signal(event.pidfd, SIGKILL)
        actor.await_zombie()
        assert actor.reap() == -SIGKILL


@pytest.mark.behaviour("PIDFD-PER-PROCESS")
def test_two_processes(file):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group,
        live(file.read_text) as one,
        live(file.read_text) as other,
    ):
        events = group.wait().read()
        assert [event.pid for event in events] == [one.pid, other.pid]
        assert [fdinfo.read_pidfd(event.pidfd).pid for event in events] == [one.pid, other.pid]


@pytest.mark.behaviour("PIDFD-MERGED")
def test_merged_events(file):
    mask = FAN_OPEN | FAN_CLOSE_NOWRITE
    with watching(file, mask, FAN_REPORT_PIDFD) as group:
        file.read_text()
        event = group.read_one()
        assert event.mask == mask
        assert fdinfo.read_pidfd(event.one(PidfdRecord).pidfd).pid == os.getpid()


@pytest.mark.behaviour("PIDFD-DUPLICATE")
def test_two_events_of_a_process(public_dir, file):
    with watching(public_dir, FAN_OPEN | FAN_ONDIR | FAN_EVENT_ON_CHILD, FAN_REPORT_PIDFD) as group:
        file.read_text()
        list(public_dir.iterdir())
        one, other = (event.pidfd for event in group.wait().read())
        assert one != other
        assert os.path.sameopenfile(one, other)
        os.close(group.disown(one))
        pidfd_send_signal(other, 0)
