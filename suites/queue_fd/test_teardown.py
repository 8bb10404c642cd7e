# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of the control descriptor is the end of the group, whether a queue is open or not."""

import os
import socket
from errno import ENOENT

import pytest

from helpers import sysctl
from helpers.actors import Actor, sleeps_in
from helpers.children import in_child
from helpers.credentials import user
from helpers.descriptors import closing
from helpers.errors import OK, errno_name, expect
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.permission import Requester, requesting
from helpers.pidfd import poll
from helpers.queue_fd import CONTENT, ControlGroup, Queue, controlling
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_DENY,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_OPEN_PERM,
    POLLHUP,
    POLLIN,
    Init,
)
from helpers.waiting import wait_until

pytestmark = requires(Feature.QUEUE_FD)

EOF = b""
SPARE_USER = 54322


def ending(queue):
    """Read the queue, and return the bytes, or the name of the errno in their place."""
    try:
        return queue.read_bytes()
    except OSError as error:
        return errno_name(error.errno)


@pytest.mark.behaviour("RST-50")
@pytest.mark.parametrize("flags", [FAN_NONBLOCK, Init(0)], ids=["FAN_NONBLOCK", "blocking"])
def test_queue_is_at_its_end(file, flags):
    with (
        controlling(file, flags=FAN_CLASS_CONTENT | flags) as control,
        control.open_queue() as queue,
        Actor(lambda: ending(queue), keep=[queue.fd]) as reader,
    ):
        control.close()
        # The review thought of an error; the author's own test wants the end of the file.
        assert reader.act() == EOF
        assert reader.act() == EOF


@pytest.mark.behaviour("RST-50", "RST-51")
def test_event_is_gone_with_the_group(control, file):
    with control.open_queue() as queue, Requester(file.read_text) as requester:
        requester.request(queue)
        control.close()
        assert ending(queue) == EOF
        assert requester.finish() == "content"


@pytest.mark.behaviour("RST-51")
def test_everybody_is_allowed(control, file):
    with (
        control.open_queue() as queue,
        requesting(queue, file.read_text) as one,
        Requester(file.read_text) as other,
    ):
        other.request(queue)
        control.close()
        assert one.finish() == other.finish() == "content"
        assert file.read_text() == "content"


@pytest.mark.behaviour("RST-51")
def test_everybody_is_allowed_where_no_queue_is_open(control, file):
    with Requester(file.read_text) as restarted, Requester(file.read_text) as unread:
        with control.open_queue() as queue:
            restarted.request(queue)
            queue.read_one()
        unread.block()
        control.close()
        assert restarted.finish() == unread.finish() == "content"


@pytest.mark.behaviour("RST-52")
def test_late_answer(control, file):
    with control.open_queue() as queue, requesting(queue, file.read_text) as requester:
        control.close()
        assert requester.finish() == "content"
        expect(ENOENT, queue.respond, requester.event.fd, FAN_DENY)


@pytest.mark.behaviour("RST-53")
@pytest.mark.usefixtures("undecided")
def test_poll(control):
    with control.open_queue() as queue:
        assert not poll(queue.fd)
        control.close()
        assert poll(queue.fd) & (POLLIN | POLLHUP)


@pytest.mark.behaviour("RST-54")
def test_reader_that_waits(file):
    with (
        controlling(file, flags=FAN_CLASS_CONTENT) as control,
        control.open_queue() as queue,
        Actor(lambda: ending(queue), keep=[queue.fd]) as reader,
    ):
        reader.start()
        wait_until(lambda: sleeps_in(reader.pid, "read"), "the reader waits for an event")
        control.close()
        assert reader.finish() == EOF


@pytest.mark.behaviour("RST-55")
def test_queue_is_closed_last(control, file):
    with control.open_queue() as queue, requesting(queue, file.read_text) as requester:
        control.close()
        assert requester.finish() == "content"
    with watching(file, FAN_OPEN_PERM, CONTENT) as group, requesting(group, file.read_text) as requester:
        group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"


@pytest.mark.behaviour("RST-55")
@pytest.mark.parametrize("last", ["queue", "control"])
def test_nothing_is_left_of_the_group(last):
    def call():
        # Groups are counted by user, until nothing refers to them any more.
        limit = sysctl.read(sysctl.FANOTIFY / "max_user_groups")
        for _ in range(limit + 1):
            control = ControlGroup()
            queue = control.open_queue()
            for end in (control, queue) if last == "queue" else (queue, control):
                end.close()

    expect(OK, in_child, call, user(SPARE_USER))


@pytest.mark.behaviour("RST-56")
def test_copy_of_the_control_descriptor(control, file):
    copy = os.dup(control.fd)
    with control.open_queue() as queue, requesting(queue, file.read_text) as requester:
        control.close()
        assert requester.is_blocked()
        queue.assert_empty()
        os.close(copy)
        assert requester.finish() == "content"
        assert ending(queue) == EOF


@pytest.mark.behaviour("RST-57")
def test_opener_is_gone(file):
    ours, theirs = socket.socketpair()

    def open_and_send():
        control = ControlGroup()
        control.mark(FAN_MARK_ADD, FAN_OPEN_PERM, file)
        socket.send_fds(theirs, [b"x"], [control.fd])

    with ours, theirs:
        with Actor(open_and_send, keep=[theirs.fileno()]) as opener:
            opener.act()
        (control,) = socket.recv_fds(ours, 1, 1)[1]
    with closing(control), Queue(control) as queue, requesting(queue, file.read_text) as requester:
        queue.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"
