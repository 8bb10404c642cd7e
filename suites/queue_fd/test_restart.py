# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of events when a queue is released, and when none is open: they wait for the next one."""

import contextlib
import fcntl
import os
import signal
import struct
import termios
from errno import EIO, ENOENT, EPERM

import pytest

from helpers import fdinfo, sysctl
from helpers.actors import Actor
from helpers.descriptors import closing
from helpers.errors import OK, expect
from helpers.events import parse
from helpers.features import Feature, has
from helpers.permission import Requester
from helpers.pidfd import clone_in, pidfd_getfd, pidfd_of, pidfd_send_signal
from helpers.queue_fd import CONTENT, ControlGroup, Queue, controlling
from helpers.requirements import requires
from helpers.uapi import (
    CLONE_NEWPID,
    FAN_ACCESS_PERM,
    FAN_ALLOW,
    FAN_CLASS_PRE_CONTENT,
    FAN_DENY,
    FAN_DENY_ERRNO,
    FAN_EVENT_METADATA_LEN,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_REPORT_PIDFD,
)

pytestmark = requires(Feature.QUEUE_FD)

RESTARTS = 5


@contextlib.contextmanager
def asking(control, file, count):
    """Have so many children wait for permission, in this order, while no queue is open."""
    with contextlib.ExitStack() as stack:
        requesters = [stack.enter_context(Requester(file.read_text)) for _ in range(count)]
        for requester in requesters:
            requester.block()
        yield requesters


def pids(events):
    return [event.pid for event in events]


def queued_bytes(queue):
    return struct.unpack("=i", fcntl.ioctl(queue.fd, termios.FIONREAD, bytes(4)))[0]


def read_all(control):
    """Read what is queued, answer nothing, and release the queue."""
    with control.open_queue() as queue:
        return queue.read()


@pytest.fixture
def interrupted(control, file):
    """A child which waits for permission. Its event was read from a queue that has been released since.

    The descriptor of the event is open, so that no other one gets its number.
    """
    with control.open_queue() as queue, Requester(file.read_text) as requester:
        requester.request(queue)
        requester.event = queue.read_one()
        queue.release()
        yield requester


@pytest.mark.behaviour("RST-31")
@pytest.mark.parametrize(
    ("response", "answer"), [(FAN_ALLOW, OK), (FAN_DENY, EPERM)], ids=["FAN_ALLOW", "FAN_DENY"]
)
def test_restart(control, interrupted, response, answer):
    first = interrupted.event
    assert interrupted.is_blocked()
    with control.open_queue() as queue:
        again = queue.read_one()
        assert (again.mask, again.pid) == (first.mask, first.pid)
        assert again.fd != first.fd
        assert os.path.samestat(os.fstat(again.fd), os.fstat(first.fd))
        assert interrupted.is_blocked()
        queue.respond(again.fd, response)
        expect(answer, interrupted.finish)


@pytest.mark.behaviour("RST-31")
def test_restart_before_content_is_accessed(ext4_dir):
    file = ext4_dir / "file"
    file.write_text("content")
    mask, denial, answer = (
        (FAN_PRE_ACCESS, FAN_DENY_ERRNO(EIO), EIO)
        if has(Feature.PRE_ACCESS)
        else (FAN_ACCESS_PERM, FAN_DENY, EPERM)
    )
    flags = FAN_CLASS_PRE_CONTENT | FAN_NONBLOCK
    with controlling(file, mask, flags) as control, asking(control, file, 1) as (requester,):
        (first,) = read_all(control)
        with control.open_queue() as queue:
            again = queue.read_one()
            assert (again.mask, again.records) == (first.mask, first.records)
            queue.respond(again.fd, denial)
            expect(answer, requester.finish)


@pytest.mark.behaviour("RST-32")
def test_release_answers_nobody(interrupted):
    for _ in range(2):
        os.sched_yield()
        assert interrupted.is_blocked()
        assert not interrupted.is_done()
    os.kill(interrupted.pid, signal.SIGKILL)
    assert interrupted.reap() == -signal.SIGKILL


@pytest.mark.behaviour("RST-33")
def test_restarted_before_unread(control, file):
    with asking(control, file, 2) as (one, other):
        with control.open_queue() as queue:
            assert pids(queue.read(FAN_EVENT_METADATA_LEN)) == [one.pid]
        assert pids(read_all(control)) == [one.pid, other.pid]


@pytest.mark.behaviour("RST-33")
def test_restarted_before_later_event(control, interrupted, file):
    with Requester(file.read_text) as later:
        later.block()
        assert pids(read_all(control)) == [interrupted.pid, later.pid]


@pytest.mark.behaviour("RST-34")
@pytest.mark.usefixtures("undecided")
def test_order_of_restarted_events(control, file):
    with asking(control, file, 3) as requesters:
        read_all(control)
        assert pids(read_all(control)) == pids(requesters)


@pytest.mark.behaviour("RST-35")
def test_several_restarts(control, file):
    with asking(control, file, 2) as requesters:
        for _ in range(RESTARTS):
            with control.open_queue() as queue:
                assert pids(queue.read(FAN_EVENT_METADATA_LEN)) == [requesters[0].pid]
        for _ in range(RESTARTS):
            assert sorted(pids(read_all(control))) == sorted(pids(requesters))


@pytest.mark.behaviour("RST-36")
def test_event_while_no_queue_was_opened(control, file):
    with asking(control, file, 1) as (requester,), control.open_queue() as queue:
        event = queue.read_one()
        assert event.pid == requester.pid
        queue.respond(event.fd, FAN_ALLOW)
        assert requester.finish() == "content"


@pytest.mark.behaviour("RST-37")
def test_old_answer_before_the_event_is_read_again(control, interrupted):
    with control.open_queue() as queue:
        expect(ENOENT, queue.respond, interrupted.event.fd, FAN_ALLOW)
        assert interrupted.is_blocked()


@pytest.mark.behaviour("RST-38")
def test_old_answer_after_the_event_was_read_again(control, interrupted):
    with control.open_queue() as queue:
        again = queue.read_one()
        expect(ENOENT, queue.respond, interrupted.event.fd, FAN_ALLOW)
        assert interrupted.is_blocked()
        queue.respond(again.fd, FAN_ALLOW)
        assert interrupted.finish() == "content"


@pytest.mark.behaviour("RST-39")
def test_answered_event(control, file):
    with Requester(file.read_text) as requester:
        with control.open_queue() as queue:
            requester.request(queue)
            queue.respond(queue.read_one().fd, FAN_ALLOW)
            assert requester.finish() == "content"
        with control.open_queue() as queue:
            assert queued_bytes(queue) == 0
            queue.assert_empty()


@pytest.mark.behaviour("RST-40")
def test_unread_event(control, file):
    with asking(control, file, 2) as requesters:
        with control.open_queue() as queue:
            assert queued_bytes(queue) == 2 * FAN_EVENT_METADATA_LEN
        with control.open_queue() as queue:
            assert queued_bytes(queue) == 2 * FAN_EVENT_METADATA_LEN
            assert pids(queue.read()) == pids(requesters)


@pytest.mark.behaviour("RST-41")
def test_all_but_one_are_restarted(control, file):
    with asking(control, file, 3) as (first, second, third):
        with control.open_queue() as queue:
            events = queue.read()
            queue.respond(events[1].fd, FAN_ALLOW)
            assert second.finish() == "content"
        assert sorted(pids(read_all(control))) == sorted(pids([first, third]))


@pytest.mark.behaviour("RST-42")
def test_killed_before_the_release(control, file):
    with control.open_queue() as queue, Requester(file.read_text) as requester:
        requester.request(queue)
        queue.read_one()
        os.kill(requester.pid, signal.SIGKILL)
        requester.reap()
        queue.release()
        with control.open_queue() as successor:
            assert queued_bytes(successor) == 0
            successor.assert_empty()


@pytest.mark.behaviour("RST-43")
def test_killed_after_the_release(control, interrupted):
    os.kill(interrupted.pid, signal.SIGKILL)
    interrupted.reap()
    with control.open_queue() as queue:
        assert queued_bytes(queue) == 0
        queue.assert_empty()


@pytest.mark.behaviour("RST-44")
def test_limit_of_the_queue(file):
    with contextlib.ExitStack() as stack:
        with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
            control = stack.enter_context(ControlGroup())
        control.mark(FAN_MARK_ADD, FAN_OPEN_PERM, file)
        one, other = (stack.enter_context(Requester(file.read_text)) for _ in range(2))
        with control.open_queue() as queue:
            one.request(queue)
            queue.read_one()
            other.block()
        with control.open_queue() as queue:
            assert queued_bytes(queue) == 2 * FAN_EVENT_METADATA_LEN
            events = queue.read()
        assert pids(events) == [one.pid, other.pid]
        assert [event.mask for event in events] == [FAN_OPEN_PERM, FAN_OPEN_PERM]


@pytest.mark.behaviour("RST-44")
def test_room_in_the_queue_after_a_restart(control, interrupted, file):
    with control.open_queue() as queue:
        queue.respond(queue.read_one().fd, FAN_ALLOW)
        assert interrupted.finish() == "content"
        for _ in range(2):
            with Requester(file.read_text) as later:
                assert later.is_asked_for(queue)
                assert pids(queue.read()) == [later.pid]


@pytest.mark.behaviour("RST-46")
@requires(FAN_REPORT_PIDFD)
def test_pidfd(file):
    with (
        controlling(file, flags=CONTENT | FAN_REPORT_PIDFD) as control,
        asking(control, file, 1) as (requester,),
    ):
        with control.open_queue() as queue:
            queue.read_one()
        with control.open_queue() as queue:
            pidfd = queue.read_one().pidfd
            assert fdinfo.read_pidfd(pidfd).pid == requester.pid
            expect(OK, pidfd_send_signal, pidfd, 0)


@pytest.mark.behaviour("RST-47")
def test_handed_over_through_a_pidfd(control, file):
    with Actor(lambda: None, keep=[control.fd]) as supervisor, asking(control, file, 1) as (requester,):
        with pidfd_of(supervisor.pid) as pidfd:
            number = control.fd
            control.close()
            taken = pidfd_getfd(pidfd, number)
        with closing(taken), Queue(taken) as queue:
            queue.respond(queue.read_one().fd, FAN_ALLOW)
            assert requester.finish() == "content"


def in_own_pid_namespace(child):
    return clone_in(CLONE_NEWPID, child)


@pytest.mark.behaviour("RST-48")
@pytest.mark.parametrize("make", [None, in_own_pid_namespace], ids=["process", "pid-namespace"])
def test_first_reader_is_another_process(control, file, make):
    queue = control.open_queue()

    def look():
        (event,) = parse(os.read(queue.fd, 4096))
        return event.pid, os.fstat(event.fd).st_ino

    with Requester(file.read_text) as requester:
        with Actor(look, make=make, keep=[queue.fd]) as reader:
            queue.close()
            requester.block()
            # fanotify(7): the pid is 0 where the reader cannot see the process.
            assert reader.act() == (requester.pid if make is None else 0, file.stat().st_ino)
        with control.open_queue() as successor:
            event = successor.read_one()
            assert event.pid == requester.pid
            assert os.path.samestat(os.fstat(event.fd), file.stat())
