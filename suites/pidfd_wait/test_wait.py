# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told of a child, and for whom one cannot wait."""

import os
import signal
from errno import EBADF, ECHILD, EINVAL
from signal import SIGCHLD, SIGCONT, SIGKILL, SIGSTOP

import pytest

from helpers.actors import Actor, LeaderlessActor, ThreadActor, zombie
from helpers.children import in_child
from helpers.descriptors import opened
from helpers.errors import expect, outcome
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.pidfd import clone_in, own_pidfd, pidfd_of, pidfd_send_signal, waitid
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWPID, P_PIDFD, PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP, PIDFD_THREAD

WNOTHREAD, UNKNOWN_OPTION = 0x20000000, 0x10000000
EVERYTHING = os.WEXITED | os.WSTOPPED | os.WCONTINUED


@pytest.mark.behaviour("PWAIT-BASIC", "PWAIT-REAPED")
def test_child_that_exits():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.leave(3)
        info = waitid(fd, os.WEXITED)
        assert (info.si_signo, info.si_code, info.si_status) == (SIGCHLD, os.CLD_EXITED, 3)
        assert (info.si_pid, info.si_uid) == (actor.pid, os.getuid())
        expect(ECHILD, waitid, fd, os.WEXITED)
        expect(ECHILD, os.waitpid, actor.pid, 0)


@pytest.mark.behaviour("PWAIT-STATES", "PWAIT-WNOHANG")
def test_child_that_stops_goes_on_and_dies():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        for sent, option, code, status in (
            (SIGSTOP, os.WSTOPPED, os.CLD_STOPPED, SIGSTOP),
            (SIGCONT, os.WCONTINUED, os.CLD_CONTINUED, SIGCONT),
            (SIGKILL, os.WEXITED, os.CLD_KILLED, SIGKILL),
        ):
            pidfd_send_signal(fd, sent)
            info = waitid(fd, option)
            assert (info.si_pid, info.si_code, info.si_status) == (actor.pid, code, status)
            if option != os.WEXITED:
                assert waitid(fd, EVERYTHING | os.WNOHANG).si_signo == 0


@pytest.mark.behaviour("PWAIT-STATES")
def test_change_that_was_not_asked_for():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, SIGSTOP)
        waitid(fd, os.WSTOPPED | os.WNOWAIT)
        assert waitid(fd, os.WEXITED | os.WCONTINUED | os.WNOHANG).si_pid == 0


@pytest.mark.behaviour("PWAIT-WNOWAIT")
def test_child_that_is_left_as_it_is():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.leave(3)
        looked_at = [bytes(waitid(fd, os.WEXITED | os.WNOWAIT)) for _ in range(2)]
        assert [*looked_at, bytes(waitid(fd, os.WEXITED))] == looked_at[:1] * 3
        expect(ECHILD, waitid, fd, os.WEXITED)


@pytest.mark.behaviour("PWAIT-WNOHANG")
def test_child_that_lives():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        info = waitid(fd, EVERYTHING | os.WNOHANG)
        assert (info.si_signo, info.si_pid) == (0, 0)


@pytest.mark.behaviour("PWAIT-NULL")
def test_caller_who_is_not_told():
    with zombie(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert syscall("waitid", P_PIDFD, fd, None, os.WEXITED, None) == 0
        expect(ECHILD, os.waitpid, actor.pid, 0)


@pytest.mark.behaviour("PWAIT-BADFD")
@pytest.mark.parametrize("path", ["/proc/self", "/dev/null", "/proc/self/ns/pid"])
def test_files_that_are_no_pidfd(path):
    with opened(path) as fd:
        expect(EBADF, waitid, fd, os.WEXITED)


@pytest.mark.behaviour("PWAIT-BADFD")
@requires(Feature.FANOTIFY)
def test_descriptors_that_are_no_pidfd():
    with FanotifyGroup() as group:
        with own_pidfd() as closed:
            pass
        for fd in (group.fd, closed):
            expect(EBADF, waitid, fd, os.WEXITED)


@pytest.mark.behaviour("PWAIT-NEG")
@pytest.mark.parametrize("fd", [-1, PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP])
def test_negative_numbers(fd):
    expect(EINVAL, waitid, fd, os.WEXITED)


@pytest.mark.behaviour("PWAIT-OPTIONS")
@pytest.mark.parametrize("options", [0, os.WNOHANG, os.WNOWAIT, os.WEXITED | UNKNOWN_OPTION], ids=hex)
def test_options(options):
    with zombie(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(EINVAL, waitid, fd, options)
        expect(EINVAL, waitid, -1, options)
        expect(EINVAL, waitid, 1000, options)


@pytest.mark.behaviour("PWAIT-NOTCHILD")
def test_processes_that_are_no_children():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as sibling, own_pidfd() as parent:

        def attempts():
            with own_pidfd() as itself:
                return [outcome(waitid, fd, os.WEXITED) for fd in (sibling, parent, itself)]

        assert in_child(attempts) == [ECHILD] * 3


@pytest.mark.behaviour("PWAIT-NOTCHILD")
def test_grandchild():
    def make_a_child():
        made.append(Actor(os.getpid))
        return made[0].pid

    made = []
    with Actor(make_a_child) as actor, pidfd_of(actor.act()) as fd:
        expect(ECHILD, waitid, fd, os.WEXITED)


@pytest.mark.behaviour("PWAIT-AUTOREAP")
def test_child_that_nobody_waits_for():
    def ignore_and_wait():
        signal.signal(SIGCHLD, signal.SIG_IGN)
        with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
            actor.leave()
            return outcome(waitid, fd, os.WEXITED)

    assert in_child(ignore_and_wait) == ECHILD


@pytest.mark.behaviour("PWAIT-THREADS")
def test_child_of_another_thread():
    with (
        zombie(os.getpid, status=3) as actor,
        pidfd_of(actor.pid) as fd,
        ThreadActor(lambda: waitid(fd, os.WEXITED).si_status) as thread,
    ):
        assert thread.act() == 3


@pytest.mark.behaviour("PWAIT-WNOTHREAD")
def test_child_of_another_thread_alone():
    with zombie(os.getpid, status=3) as actor, pidfd_of(actor.pid) as fd:
        with ThreadActor(lambda: outcome(waitid, fd, os.WEXITED | WNOTHREAD)) as thread:
            assert thread.act() == ECHILD
        assert waitid(fd, os.WEXITED | WNOTHREAD).si_status == 3


@pytest.mark.behaviour("PWAIT-THREAD-PIDFD")
@requires(PIDFD_THREAD)
def test_leader():
    with zombie(os.getpid, status=3) as actor, pidfd_of(actor.pid, PIDFD_THREAD) as fd:
        assert waitid(fd, os.WEXITED).si_status == 3


@pytest.mark.behaviour("PWAIT-THREAD-PIDFD")
@requires(PIDFD_THREAD)
def test_other_thread():
    started = []

    def start_a_thread():
        started.append(ThreadActor(os.getpid))
        return started[0].tid

    with Actor(start_a_thread) as actor, pidfd_of(actor.act(), PIDFD_THREAD) as fd:
        expect(ECHILD, waitid, fd, os.WEXITED | os.WNOHANG)


@pytest.mark.behaviour("PWAIT-NS")
def test_child_in_a_namespace_below():
    with Actor(os.getpid, make=lambda child: clone_in(CLONE_NEWPID, child)) as actor:
        assert actor.act() == 1
        with pidfd_of(actor.pid) as fd:
            actor.leave(3)
            info = waitid(fd, os.WEXITED)
            assert (info.si_pid, info.si_status) == (actor.pid, 3)


@pytest.mark.behaviour("PWAIT-GROUP")
def test_child_among_others():
    with zombie(os.getpid) as other, Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert waitid(fd, os.WEXITED | os.WNOHANG).si_pid == 0
        actor.leave()
        assert waitid(fd, os.WEXITED).si_pid == actor.pid
        assert other.reap() == 0


@pytest.mark.behaviour("PWAIT-LEADER")
def test_child_whose_leader_has_exited():
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert waitid(fd, os.WEXITED | os.WNOHANG).si_pid == 0
        actor.leave(3)
        assert waitid(fd, os.WEXITED).si_status == 3
