# SPDX-License-Identifier: GPL-2.0-or-later
"""The control descriptor, which is for configuration, and the queue, of which there is one at a time."""

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import termios
from errno import EBADF, EBUSY, EINVAL, ENOTTY, EPERM
from pathlib import Path

import pytest

from helpers import fdinfo, proposals
from helpers.actors import Actor
from helpers.descriptors import closing, same_description
from helpers.errors import OK, expect, outcome
from helpers.features import Feature, has
from helpers.permission import Requester
from helpers.pidfd import own_pidfd, pidfd_getfd
from helpers.queue_fd import ControlGroup, open_queue
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_CLOEXEC,
    FAN_NONBLOCK,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    Init,
    Open,
)

pytestmark = requires(Feature.QUEUE_FD)

UNKNOWN_IOCTL = 0x46FF
FLAGS = [Init(0), FAN_CLOEXEC, FAN_NONBLOCK, FAN_CLOEXEC | FAN_NONBLOCK]
EVERY_FLAG = pytest.mark.parametrize("flags", FLAGS)


def queued_bytes(fd):
    return struct.unpack("=i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]


def access_mode(fd):
    # Kernels show a flag of their own too (FMODE_NONOTIFY, until 6.13).
    return Open(fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_NONBLOCK))


def is_cloexec(fd):
    return bool(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)


# Ways to have another descriptor of the same open file


@contextlib.contextmanager
def duplicated(fd):
    with closing(os.dup(fd)):
        yield


@contextlib.contextmanager
def inherited(fd):
    with Actor(lambda: None, keep=[fd]):
        yield


@contextlib.contextmanager
def sent(fd):
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(one, [b"x"], [fd])
        yield


@contextlib.contextmanager
def received(fd):
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(one, [b"x"], [fd])
        (copy,) = socket.recv_fds(other, 1, 1)[1]
    with closing(copy):
        yield


@contextlib.contextmanager
def taken(fd):
    with own_pidfd() as pidfd:
        copy = pidfd_getfd(pidfd, fd)
    with closing(copy):
        yield


COPIES = [duplicated, inherited, sent, received, taken]


@pytest.mark.behaviour("RST-03")
def test_queue_is_another_file(control):
    with control.open_queue() as queue:
        assert queue.fd not in {control.fd, -1}
        if has(Feature.KCMP):
            assert not same_description((os.getpid(), control.fd), (os.getpid(), queue.fd))


@pytest.mark.behaviour("RST-07")
def test_second_queue(control):
    with control.open_queue():
        # EEXIST is what the first version of the proposal answered, which the review refused.
        expect(EBUSY, control.open_queue)
        expect(EBUSY, control.open_queue)
    expect(OK, control.open_queue)
    expect(OK, control.open_queue)


@pytest.mark.behaviour("RST-08")
@pytest.mark.parametrize("copied", COPIES)
def test_copy_of_the_queue(control, copied):
    with control.open_queue() as queue, copied(queue.fd):
        queue.release()
        expect(EBUSY, control.open_queue)
    expect(OK, control.open_queue)


@pytest.mark.behaviour("RST-09")
def test_holder_of_the_queue_is_killed(control):
    queue = control.open_queue()
    with Actor(lambda: None, keep=[queue.fd]) as daemon:
        queue.close()
        expect(EBUSY, control.open_queue)
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.reap()
        expect(OK, control.open_queue)


@pytest.mark.behaviour("RST-10")
def test_reading_the_control_descriptor(control):
    expect(EINVAL, os.read, control.fd, 4096)


@pytest.mark.behaviour("RST-11")
def test_writing_to_the_control_descriptor(control):
    assert outcome(os.write, control.fd, bytes(8)) in {EBADF, EINVAL}


@pytest.mark.behaviour("RST-12")
def test_polling_the_control_descriptor(control, file):
    poll = select.poll()
    poll.register(control.fd, select.POLLIN | select.POLLOUT)
    at_once = [(control.fd, select.POLLIN | select.POLLOUT)]
    with Requester(file.read_text) as requester:
        assert poll.poll(0) == at_once
        requester.block()
        assert poll.poll(0) == at_once


@pytest.mark.behaviour("RST-12")
def test_epoll_of_the_control_descriptor(control):
    with select.epoll() as epoll:
        expect(EPERM, epoll.register, control.fd)


@pytest.mark.behaviour("RST-13")
def test_bytes_in_the_control_descriptor(control):
    expect(ENOTTY, queued_bytes, control.fd)


@pytest.mark.behaviour("RST-14")
def test_bytes_in_the_queue(control, file):
    with Requester(file.read_text) as requester:
        with control.open_queue() as queue:
            expect(OK, queued_bytes, queue.fd)
            assert queued_bytes(queue.fd) == 0
            requester.request(queue)
            assert queued_bytes(queue.fd) == 24
            queue.read_one()
            assert queued_bytes(queue.fd) == 0
        with control.open_queue() as queue:
            assert queued_bytes(queue.fd) == 24


@pytest.mark.behaviour("RST-15")
def test_queue_of_a_queue(control):
    with control.open_queue() as queue:
        expect(ENOTTY, open_queue, queue.fd)


@pytest.mark.behaviour("RST-15")
def test_unknown_ioctl(control):
    with control.open_queue() as queue:
        for fd in (control.fd, queue.fd):
            expect(ENOTTY, fcntl.ioctl, fd, UNKNOWN_IOCTL)


@pytest.mark.behaviour("RST-16")
def test_names(control):
    table = proposals.queue_fd()
    with control.open_queue() as queue:
        for fd, name in ((control.fd, table.control_name), (queue.fd, table.queue_name)):
            assert str(Path(f"/proc/self/fd/{fd}").readlink()) == name


@pytest.mark.behaviour("RST-18")
def test_queue_tells_nothing_of_the_group(control):
    with control.open_queue() as queue:
        keys = [line.partition(":")[0] for line in fdinfo.read_text(queue.fd).splitlines()]
    assert keys == ["pos", "flags", "mnt_id", "ino"]


@pytest.mark.behaviour("RST-24")
@EVERY_FLAG
def test_flags_of_the_queue(flags):
    with ControlGroup(FAN_CLASS_CONTENT | flags) as control, control.open_queue() as queue:
        assert access_mode(queue.fd) == O_RDWR | (O_NONBLOCK if flags & FAN_NONBLOCK else 0)
        assert is_cloexec(queue.fd) == bool(flags & FAN_CLOEXEC)


@pytest.mark.behaviour("RST-24")
def test_reading_an_empty_queue(control):
    with control.open_queue() as queue:
        queue.assert_empty()


@pytest.mark.behaviour("RST-25")
@EVERY_FLAG
def test_flags_of_the_control_descriptor(flags):
    with ControlGroup(FAN_CLASS_CONTENT | flags) as control:
        assert access_mode(control.fd) == O_RDONLY
        assert is_cloexec(control.fd) == bool(flags & FAN_CLOEXEC)
