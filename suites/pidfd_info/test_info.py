# SPDX-License-Identifier: GPL-2.0-or-later
"""PIDFD_GET_INFO: who the process is, to whom, and how it ended."""

import contextlib
import functools
import os
import socket
import tempfile
from errno import EREMOTE, ESRCH
from pathlib import Path
from signal import SIGABRT, SIGKILL

import pytest

from helpers.actors import Actor, ThreadActor, in_turn, live
from helpers.changes import changed_by
from helpers.children import in_child
from helpers.credentials import unprivileged, user, user_namespace
from helpers.errors import expect, outcome
from helpers.features import Feature, has
from helpers.filesystems import mounted
from helpers.pidfd import clone_in, get_info, own_pidfd, pidfd_of, pidfd_send_signal
from helpers.requirements import requires
from helpers.sockets import peer_pidfd
from helpers.syscalls import syscall
from helpers.uapi import (
    CLONE_NEWPID,
    PIDFD_COREDUMP_SKIP,
    PIDFD_COREDUMP_USER,
    PIDFD_COREDUMPED,
    PIDFD_GET_INFO,
    PIDFD_INFO_CGROUPID,
    PIDFD_INFO_COREDUMP,
    PIDFD_INFO_COREDUMP_CODE,
    PIDFD_INFO_COREDUMP_SIGNAL,
    PIDFD_INFO_CREDS,
    PIDFD_INFO_EXIT,
    PIDFD_INFO_PID,
    PIDFD_INFO_SUPPORTED_MASK,
    PIDFD_THREAD,
    PR_SET_DUMPABLE,
    SI_TKILL,
    Info,
)
from helpers.waiting import scaled

ALWAYS = PIDFD_INFO_PID | PIDFD_INFO_CREDS | PIDFD_INFO_CGROUPID
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
OTHER_USER, OVERFLOW = 54321, 65534
CREDENTIALS = ["ruid", "euid", "suid", "fsuid", "rgid", "egid", "sgid", "fsgid"]
in_a_new_pid_namespace = functools.partial(clone_in, CLONE_NEWPID)


pytestmark = requires(PIDFD_GET_INFO)


def credentials(info):
    return [getattr(info, name) for name in CREDENTIALS]


@pytest.mark.behaviour("PINFO-SELF")
@pytest.mark.parametrize("ask", [Info(0), PIDFD_INFO_PID, ALWAYS])
def test_own_process(ask):
    with own_pidfd() as fd:
        info = get_info(fd, ask)
    assert Info(info.mask) == ALWAYS
    assert (info.pid, info.tgid, info.ppid) == (os.getpid(), os.getpid(), os.getppid())


@pytest.mark.behaviour("PINFO-CREDS")
def test_credentials():
    def change():
        os.setresgid(4, 5, 6)
        os.setresuid(1, 2, 3)

    with live(change) as actor, pidfd_of(actor.pid) as fd:
        assert credentials(get_info(fd)) == [1, 2, 3, 2, 4, 5, 6, 5]


@pytest.mark.behaviour("PINFO-USERNS")
def test_credentials_in_a_user_namespace():
    with live(user(OTHER_USER)) as actor, pidfd_of(actor.pid) as fd:
        seen = in_child(lambda: credentials(get_info(fd)), user_namespace())
        assert seen == [OVERFLOW] * 4 + [0] * 4


@pytest.mark.behaviour("PINFO-PIDNS")
def test_numbers_in_a_pid_namespace():
    def look_at_oneself():
        with own_pidfd() as fd:
            info = get_info(fd)
            return info.pid, info.tgid, info.ppid

    with Actor(look_at_oneself, make=in_a_new_pid_namespace) as actor, pidfd_of(actor.pid) as fd:
        assert actor.act() == (1, 1, 0)
        info = get_info(fd)
        assert (info.pid, info.tgid, info.ppid) == (actor.pid, actor.pid, os.getpid())


@pytest.mark.behaviour("PINFO-THREAD")
def test_thread():
    with ThreadActor(os.getpid) as thread, pidfd_of(thread.tid, PIDFD_THREAD) as fd:
        info = get_info(fd)
        assert (info.pid, info.tgid, info.ppid) == (thread.tid, os.getpid(), os.getppid())


@pytest.mark.behaviour("PINFO-CGROUP")
@requires(fs="cgroup2")
def test_cgroup(public_dir):
    with mounted("none", public_dir / "cgroup", "cgroup2") as root:
        group = Path(tempfile.mkdtemp(dir=root, prefix="suite-"))
        try:
            with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
                (group / "cgroup.procs").write_text(str(actor.pid))
                assert get_info(fd).cgroupid == group.stat().st_ino
        finally:
            group.rmdir()


@pytest.mark.behaviour("PINFO-UNPRIV")
def test_process_of_somebody_else():
    with own_pidfd() as fd:
        assert in_child(lambda: get_info(fd).pid, unprivileged) == os.getpid()


@pytest.mark.behaviour("PINFO-ESRCH")
@pytest.mark.parametrize("ask", [Info(0), ALWAYS])
def test_process_that_was_reaped(ask):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        assert get_info(fd, ask).pid == actor.pid
        actor.reap()
        expect(ESRCH, get_info, fd, ask)


@pytest.mark.behaviour("PINFO-EREMOTE")
@changed_by(Feature.PIDFD_INFO_EREMOTE, before=ESRCH, after=EREMOTE)
def test_process_of_another_pid_namespace(answer):
    with (
        Actor(os.getpid, make=in_a_new_pid_namespace) as target,
        pidfd_of(target.pid) as fd,
        Actor(lambda: outcome(get_info, fd), make=in_a_new_pid_namespace, keep=[fd]) as actor,
    ):
        assert actor.act() == answer


@pytest.mark.behaviour("PINFO-EXIT")
@requires(PIDFD_INFO_EXIT)
@pytest.mark.parametrize("ask", [PIDFD_INFO_EXIT, PIDFD_INFO_EXIT | ALWAYS])
def test_exit_status(ask):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert PIDFD_INFO_EXIT not in Info(get_info(fd, ask).mask)
        actor.exit(3)
        assert PIDFD_INFO_EXIT not in Info(get_info(fd, ask).mask)
        actor.reap()
        info = get_info(fd, ask)
        assert Info(info.mask) & (PIDFD_INFO_EXIT | PIDFD_INFO_PID | PIDFD_INFO_CREDS) == PIDFD_INFO_EXIT
        assert os.waitstatus_to_exitcode(info.exit_code) == 3


@pytest.mark.behaviour("PINFO-EXIT")
@requires(PIDFD_INFO_EXIT)
def test_signal_that_killed():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, SIGKILL)
        actor.await_zombie()
        actor.reap()
        assert os.waitstatus_to_exitcode(get_info(fd, PIDFD_INFO_EXIT).exit_code) == -SIGKILL


@pytest.mark.behaviour("PINFO-EXIT")
@requires(PIDFD_INFO_EXIT)
def test_process_that_somebody_else_reaped():
    children = []

    def have_child():
        children.append(Actor(os.getpid))
        return children[0].pid

    def end_child():
        children[0].exit(3)
        children[0].reap()

    with Actor(in_turn(have_child, end_child)) as parent, pidfd_of(parent.act()) as fd:
        parent.act()
        assert os.waitstatus_to_exitcode(get_info(fd, PIDFD_INFO_EXIT).exit_code) == 3


@pytest.mark.behaviour("PINFO-EXIT-THREAD")
@requires(PIDFD_INFO_EXIT)
def test_thread_that_has_ended():
    with ThreadActor(os.getpid) as thread, pidfd_of(thread.tid, PIDFD_THREAD) as fd:
        thread.exit()
        info = get_info(fd, PIDFD_INFO_EXIT)
        assert (PIDFD_INFO_EXIT in Info(info.mask), info.exit_code) == (True, 0)


@pytest.mark.behaviour("PINFO-COREDUMP")
@requires(PIDFD_INFO_COREDUMP)
@pytest.mark.parametrize(("dumpable", "answer"), [(1, PIDFD_COREDUMP_USER), (0, PIDFD_COREDUMP_SKIP)])
def test_core_dump_to_come(dumpable, answer):
    with (
        live(lambda: syscall("prctl", PR_SET_DUMPABLE, dumpable, 0, 0, 0)) as actor,
        pidfd_of(actor.pid) as fd,
    ):
        info = get_info(fd, PIDFD_INFO_COREDUMP)
        assert PIDFD_INFO_COREDUMP in Info(info.mask)
        assert info.coredump_mask == answer
        assert info.coredump_signal == 0
        assert PIDFD_INFO_COREDUMP not in Info(get_info(fd).mask)


@pytest.mark.behaviour("PINFO-COREDUMP-ALIVE")
@requires(PIDFD_INFO_SUPPORTED_MASK)
def test_no_signal_of_a_living_process():
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        mask = Info(get_info(fd, PIDFD_INFO_COREDUMP).mask)
    assert PIDFD_INFO_COREDUMP in mask
    assert PIDFD_INFO_COREDUMP_SIGNAL not in mask


@contextlib.contextmanager
def dumps_sent_to(path):
    """Have a socket, to which the kernel connects when a process crashes (core(5), since 6.16)."""
    before = CORE_PATTERN.read_text()
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(scaled(5))
        server.bind(str(path))
        server.listen()
        try:
            CORE_PATTERN.write_text(f"@{path}")
            yield server
        finally:
            CORE_PATTERN.write_text(before)


@pytest.mark.behaviour("PINFO-COREDUMPED")
@requires(PIDFD_INFO_COREDUMP)
def test_core_dump(public_dir):
    with dumps_sent_to(public_dir / "dumps") as server, Actor(os.abort) as actor:
        actor.start()
        with server.accept()[0] as connection:
            fd = peer_pidfd(connection)
            crashing = get_info(fd, PIDFD_INFO_COREDUMP)
        actor.await_zombie()
        actor.reap()
        dead = get_info(fd, PIDFD_INFO_COREDUMP | PIDFD_INFO_EXIT)
        os.close(fd)
    assert crashing.pid == actor.pid
    for info in (crashing, dead):
        assert info.coredump_mask == PIDFD_COREDUMPED | PIDFD_COREDUMP_USER
        if has(Feature.PIDFD_INFO_SUPPORTED_MASK):
            assert PIDFD_INFO_COREDUMP_SIGNAL in Info(info.mask)
            assert info.coredump_signal == SIGABRT
        # The code came with CLONE_AUTOREAP, 7.1.
        if has(Feature.CLONE_AUTOREAP):
            assert PIDFD_INFO_COREDUMP_CODE in Info(info.mask)
            assert info.coredump_code == SI_TKILL
