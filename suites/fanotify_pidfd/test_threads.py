# SPDX-License-Identifier: GPL-2.0-or-later
"""FAN_REPORT_PIDFD with FAN_REPORT_TID: pidfds of threads."""

import os
import signal
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.actors import ThreadActor
from helpers.children import in_child
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.pidfd import get_info, pidfd_open, pidfd_send_signal, poll
from helpers.requirements import requires
from helpers.uapi import (
    FAN_OPEN,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    PIDFD_GET_INFO,
    PIDFD_INFO_EXIT,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    POLLHUP,
    POLLIN,
    Info,
    Scope,
)

FLAGS = FAN_REPORT_PIDFD | FAN_REPORT_TID


pytestmark = requires(Feature.PIDFD_WITH_TID, PIDFD_GET_INFO)


def assert_pidfd_of_thread(event, tid):
    assert event.pid == tid
    own = pidfd_open(tid, PIDFD_THREAD)
    assert fdinfo.read_text(event.pidfd) == fdinfo.read_text(own)
    assert os.path.sameopenfile(event.pidfd, own)
    os.close(own)
    info = get_info(event.pidfd)
    assert (info.pid, info.tgid) == (tid, os.getpid())


@pytest.mark.behaviour("PIDFD-TID-LIVE")
def test_thread(file):
    with watching(file, FAN_OPEN, FLAGS) as group, ThreadActor(file.read_text) as actor:
        actor.act()
        assert_pidfd_of_thread(group.read_one(), actor.tid)


@pytest.mark.behaviour("PIDFD-TID-LEADER")
def test_first_thread(file):
    def read_as_first_thread():
        with watching(file, FAN_OPEN, FLAGS) as group:
            file.read_text()
            assert_pidfd_of_thread(group.read_one(), os.getpid())

    in_child(read_as_first_thread)


@pytest.mark.behaviour("PIDFD-TID-DEAD")
def test_thread_that_is_gone(file):
    with watching(file, FAN_OPEN, FLAGS) as group, ThreadActor(file.read_text) as actor:
        actor.act()
        actor.exit()
        event = group.read_one()
        assert fdinfo.read_pidfd(event.pidfd).pid == -1
        assert poll(event.pidfd) == POLLIN | POLLHUP
        assert PIDFD_INFO_EXIT in Info(get_info(event.pidfd, PIDFD_INFO_EXIT).mask)


def pending(tid, line):
    """Tell whether SIGUSR1 is in a set of pending signals of /proc/TID/status (proc_pid_status(5))."""
    (mask,) = (
        text.split()[1]
        for text in Path(f"/proc/self/task/{tid}/status").read_text().splitlines()
        if text.startswith(line)
    )
    return bool(int(mask, 16) >> signal.SIGUSR1 - 1 & 1)


@pytest.mark.behaviour("PIDFD-TID-SIGNAL")
@pytest.mark.parametrize(
    ("scope", "in_thread", "in_process"), [(Scope(0), True, False), (PIDFD_SIGNAL_THREAD_GROUP, False, True)]
)
def test_signal(file, scope, in_thread, in_process):
    def send_to_a_thread():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        with watching(file, FAN_OPEN, FLAGS) as group, ThreadActor(file.read_text) as actor:
            actor.act()
            pidfd_send_signal(group.read_one().pidfd, signal.SIGUSR1, flags=scope)
            return pending(actor.tid, "SigPnd:"), pending(actor.tid, "ShdPnd:")

    assert in_child(send_to_a_thread) == (in_thread, in_process)
