# SPDX-License-Identifier: GPL-2.0-or-later
"""The pidfd of an event and one of pidfd_open: every call answers both alike, for as long as they are open."""

import contextlib
import fcntl
import functools
import os
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from helpers import fdinfo
from helpers.actors import Actor, ActorDied, LeaderlessActor, in_turn, live
from helpers.changes import changed_by
from helpers.credentials import user_namespace
from helpers.descriptors import closing, same_description
from helpers.errors import errno_name
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.handles import fd_to_handle
from helpers.pidfd import (
    NAMESPACES,
    clone_in,
    get_info,
    get_namespace,
    pidfd_getfd,
    pidfd_of,
    pidfd_send_signal,
    poll,
    waitid,
)
from helpers.requirements import requires
from helpers.tracee import Departure
from helpers.uapi import (
    CLONE_NEWPID,
    CLONE_NEWUSER,
    FAN_OPEN,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    PIDFD_THREAD,
    POLLHUP,
    POLLIN,
    Clone,
    Info,
    Poll,
)

STATUS = 7
LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT
GONE = POLLIN | POLLHUP


def namespace_of(fd, name):
    with closing(get_namespace(fd, name)) as namespace:
        return Path(f"/proc/self/fd/{namespace}").readlink()


LOOKS = {
    "fdinfo": fdinfo.read_text,
    "link": lambda fd: Path(f"/proc/self/fd/{fd}").readlink(),
    "fstat": lambda fd: tuple(os.fstat(fd)),
    "F_GETFD": lambda fd: fcntl.fcntl(fd, fcntl.F_GETFD),
    "F_GETFL": lambda fd: fcntl.fcntl(fd, fcntl.F_GETFL),
    "name_to_handle_at": fd_to_handle,
    "poll": poll,
    "pidfd_send_signal": lambda fd: pidfd_send_signal(fd, 0),
    "waitid": lambda fd: bytes(waitid(fd, LOOK)),
    "pidfd_getfd": lambda fd: os.close(pidfd_getfd(fd, 0)),
    "PIDFD_GET_INFO": lambda fd: bytes(get_info(fd, ~Info(0))),
    **{f"namespace {name}": functools.partial(namespace_of, name=name) for name in NAMESPACES},
}
"""Every call by which one can look at a process through a pidfd and leave it as it is."""


def seen(look, fd):
    try:
        return look(fd)
    except OSError as error:
        return errno_name(error.errno)


def assert_alike(one, other, *, polled):
    """Hold the kernel to the same answers of two pidfds, of which what poll says is known."""
    first, second = ({name: seen(look, fd) for name, look in LOOKS.items()} for fd in (one, other))
    assert first == second
    assert first["poll"] == polled


hung_up_when_reaped = changed_by(PIDFD_THREAD, before=POLLIN, after=GONE)
"""What poll reports of a process that was reaped; POLLHUP came with pidfds of threads, 6.9."""


def stay():
    """Take no step into a user namespace."""


READERS = {
    "same": (Clone(0), stay),
    "pid": (CLONE_NEWPID, stay),
    "pid-user": (CLONE_NEWPID, user_namespace()),
}
ACTORS = {"same": Clone(0), "pid": CLONE_NEWPID, "pid-user": CLONE_NEWPID | CLONE_NEWUSER}


@pytest.mark.behaviour("PIDFD-ALIKE", "PIDFD-ALIKE-NS")
@pytest.mark.parametrize("acting", ACTORS)
@pytest.mark.parametrize("reading", READERS)
@hung_up_when_reaped
def test_life_in_namespaces(file, reading, acting, answer):
    namespaces, step = READERS[reading]

    def read_and_compare():
        step()
        with Actor(file.read_text, make=functools.partial(clone_in, ACTORS[acting])) as actor:
            actor.act()
            event = group.read_one()
            assert event.pid == actor.pid
            with pidfd_of(actor.pid) as own:
                assert_alike(event.pidfd, own, polled=Poll(0))
                actor.exit(STATUS)
                assert_alike(event.pidfd, own, polled=POLLIN)
                actor.reap()
                assert_alike(event.pidfd, own, polled=answer)

    in_namespaces = functools.partial(clone_in, namespaces)
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group,
        Actor(read_and_compare, make=in_namespaces, keep=[group.fd]) as reader,
    ):
        reader.act()


@pytest.mark.behaviour("PIDFD-ALIKE")
@pytest.mark.parametrize(
    "moment",
    [
        *("alive", "exiting", "zombie"),
        pytest.param("reaped", marks=requires(Feature.PIDFD_WITH_TID)),  # for the reason see test_gone
    ],
)
@hung_up_when_reaped
def test_event_read_at_each_moment_of_the_end(file, moment, answer):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group,
        live(file.read_text) as actor,
        pidfd_of(actor.pid) as own,
        Departure(actor.pid) as departure,
    ):

        def exit_and_hold():
            actor.leave(STATUS)
            departure.hold()

        moments = {
            "alive": (lambda: None, Poll(0)),
            "exiting": (exit_and_hold, Poll(0)),
            "zombie": (departure.become_zombie, POLLIN),
            "reaped": (departure.let_go, answer),
        }
        event = None
        for name, (come_to, polled) in moments.items():
            come_to()
            event = group.read_one() if name == moment else event
            if event:
                assert_alike(event.pidfd, own, polled=polled)


@pytest.mark.behaviour("PIDFD-ALIKE-USE")
@pytest.mark.parametrize("signalled", ["event", "pidfd_open"])
@hung_up_when_reaped
def test_signal_through_one_and_wait_through_the_other(file, signalled, answer):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(file.read_text) as actor:
        event = group.read_one()
        with pidfd_of(actor.pid) as own:
            one, other = (event.pidfd, own) if signalled == "event" else (own, event.pidfd)
            pidfd_send_signal(one, SIGTERM)
            info = waitid(other, os.WEXITED)
            assert (info.si_pid, info.si_code, info.si_status) == (actor.pid, os.CLD_KILLED, SIGTERM)
            assert_alike(one, other, polled=answer)


@pytest.mark.behaviour("PIDFD-ALIKE")
@requires(Feature.KCMP)
def test_two_open_file_descriptions(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(file.read_text) as actor:
        event = group.read_one()
        copy = os.dup(event.pidfd)
        with pidfd_of(actor.pid) as own:
            assert same_description((os.getpid(), event.pidfd), (os.getpid(), copy))
            assert not same_description((os.getpid(), event.pidfd), (os.getpid(), own))
        os.close(copy)


@pytest.mark.behaviour("PIDFD-ALIKE", "PIDFD-LEADER-EXITED")
@hung_up_when_reaped
def test_process_whose_leader_has_exited(file, answer):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, LeaderlessActor(file.read_text) as actor:
        actor.act()
        event = group.read_one()
        with pidfd_of(actor.pid) as own:
            assert_alike(event.pidfd, own, polled=Poll(0))
            actor.exit(STATUS)
            assert_alike(event.pidfd, own, polled=POLLIN)
            actor.reap()
            assert_alike(event.pidfd, own, polled=answer)


@contextlib.contextmanager
def thread_that_executes(file):
    """Have a process whose second thread reads the file, and then, in `execute`, becomes another program."""
    steps = in_turn(file.read_text, lambda: os.execvp("sleep", ["sleep", "1000"]))
    with LeaderlessActor(steps) as actor:
        actor.act()

        def execute():
            actor.start()
            # The channel of the actor is close-on-exec: it ends when the other program begins.
            with contextlib.suppress(ActorDied):
                actor.finish()
            assert Path(f"/proc/{actor.pid}/comm").read_text() == "sleep\n"

        yield actor, execute


@pytest.mark.behaviour("PIDFD-ALIKE", "PIDFD-EXEC")
def test_process_of_a_thread_that_executes_another_program(file):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group,
        thread_that_executes(file) as (actor, execute),
        pidfd_of(actor.pid) as own,
    ):
        event = group.read_one()
        execute()
        assert_alike(event.pidfd, own, polled=Poll(0))
        pidfd_send_signal(event.pidfd, SIGKILL)
        actor.await_zombie()
        assert_alike(event.pidfd, own, polled=POLLIN)


@pytest.mark.behaviour("PIDFD-TID-EXEC")
@requires(Feature.PIDFD_WITH_TID)
def test_thread_that_executes_another_program(file):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD | FAN_REPORT_TID) as group,
        thread_that_executes(file) as (actor, execute),
    ):
        event = group.read_one()
        assert event.pid != actor.pid
        with pidfd_of(event.pid, PIDFD_THREAD) as own:
            assert_alike(event.pidfd, own, polled=Poll(0))
            execute()
            assert_alike(event.pidfd, own, polled=GONE)
