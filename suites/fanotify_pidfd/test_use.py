# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pidfd of a process that is alive is like, and what can be done with it."""

import fcntl
import os
from errno import ECHILD, EINVAL, ESPIPE
from pathlib import Path
from signal import SIGTERM

import pytest

from helpers import fdinfo
from helpers.actors import Actor, in_turn, live, zombie
from helpers.children import in_child
from helpers.credentials import user
from helpers.errors import expect
from helpers.fanotify import watching
from helpers.namespaces import own_mounts
from helpers.pidfd import get_info, pidfd_send_signal, poll, waitid
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import (
    CLONE_NEWNS,
    FAN_CLOEXEC,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_REPORT_PIDFD,
    O_CLOEXEC,
    O_RDONLY,
    O_RDWR,
    PIDFD_GET_INFO,
    Init,
    Open,
    Poll,
)

OTHER_USER = 54321


@pytest.fixture
def event(file):
    """An event of this process's own."""
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group:
        file.read_text()
        yield group.read_one()


@pytest.mark.behaviour("PIDFD-CLOEXEC")
@pytest.mark.parametrize("event_f_flags", [O_RDONLY, O_CLOEXEC])
@pytest.mark.parametrize("more", [Init(0), FAN_CLOEXEC])
def test_close_on_exec(file, more, event_f_flags):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD | more, event_f_flags) as group:
        file.read_text()
        event = group.read_one()
        assert fcntl.fcntl(event.pidfd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert fcntl.fcntl(event.fd, fcntl.F_GETFD) == bool(event_f_flags & O_CLOEXEC)


@pytest.mark.behaviour("PIDFD-MODE")
@pytest.mark.parametrize("more", [Init(0), FAN_NONBLOCK])
def test_mode(file, more):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD | more) as group:
        file.read_text()
        assert Open(fcntl.fcntl(group.read_one().pidfd, fcntl.F_GETFL)) == O_RDWR


@pytest.mark.behaviour("PIDFD-READ-WRITE")
@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [(os.read, (1,), EINVAL), (os.write, (b"x",), EINVAL), (os.lseek, (0, os.SEEK_SET), ESPIPE)],
    ids=["read", "write", "lseek"],
)
def test_not_a_file(event, call, arguments, answer):
    expect(answer, call, event.pidfd, *arguments)


@pytest.mark.behaviour("PIDFD-SIGNAL")
def test_signal(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(file.read_text) as actor:
        event = group.read_one()
        pidfd_send_signal(event.pidfd, 0)
        pidfd_send_signal(event.pidfd, SIGTERM)
        actor.await_zombie()
        assert actor.reap() == -SIGTERM


@pytest.mark.behaviour("PIDFD-PROC-GUARD")
def test_signal_guards_what_was_read_from_proc(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(file.read_text):
        event = group.read_one()
        status = Path(f"/proc/{event.pid}/status").read_text()
        pidfd_send_signal(event.pidfd, 0)
        assert f"\nPPid:\t{os.getpid()}\n" in status


@pytest.mark.behaviour("PIDFD-WAITID")
def test_wait_for_a_child(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, zombie(file.read_text, status=7) as actor:
        info = waitid(group.read_one().pidfd, os.WEXITED)
        assert (info.si_pid, info.si_status) == (actor.pid, 7)


@pytest.mark.behaviour("PIDFD-WAITID-NOTCHILD")
def test_wait_for_oneself(event):
    expect(ECHILD, waitid, event.pidfd, os.WEXITED)


@pytest.mark.behaviour("PIDFD-POLL-ALIVE")
def test_poll(event):
    assert poll(event.pidfd) == Poll(0)


@pytest.mark.behaviour("PINFO-FAN-IDENT")
@requires(PIDFD_GET_INFO)
def test_information(file):
    become_user_and_read = in_turn(user(OTHER_USER), file.read_text)
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, Actor(become_user_and_read) as actor:
        actor.act()
        actor.act()
        event = group.read_one()
        info = get_info(event.pidfd)
        assert info.pid == info.tgid == event.pid == actor.pid
        assert (info.ppid, info.ruid) == (os.getpid(), OTHER_USER)


@pytest.mark.behaviour("PIDFD-SETNS")
def test_enter_the_namespaces_of_the_process(file):
    def mount_namespace_after_setns(fd):
        syscall("setns", fd, CLONE_NEWNS)
        return Path("/proc/self/ns/mnt").readlink()

    def enter_namespace_and_read():
        own_mounts()
        return file.read_text()

    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(enter_namespace_and_read) as actor:
        event = group.read_one()
        entered = in_child(lambda: mount_namespace_after_setns(event.pidfd))
        assert entered == Path(f"/proc/{actor.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()


@pytest.mark.behaviour("PIDFD-OUTLIVES-GROUP")
def test_closing_the_group(file):
    with live(file.read_text) as actor, watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group:
        actor.act()
        fd = group.disown(group.read_one().pidfd)
        group.close()
        assert fdinfo.read_pidfd(fd).pid == actor.pid
        pidfd_send_signal(fd, 0)
        os.close(fd)
