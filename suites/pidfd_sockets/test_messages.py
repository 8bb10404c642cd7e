# SPDX-License-Identifier: GPL-2.0-or-later
"""SO_PASSPIDFD and SCM_PIDFD: a pidfd of the sender with each message."""

import fcntl
import os
import socket
import struct
from errno import EINVAL, EMFILE, EOPNOTSUPP, ESRCH

import pytest

from helpers import fdinfo
from helpers.actors import Actor, ThreadActor, zombie
from helpers.changes import changed_by
from helpers.descriptors import exhausted, open_descriptors
from helpers.errors import OK, expect
from helpers.features import Feature
from helpers.pidfd import clone_in, get_info, own_pidfd, pidfd_send_signal, poll
from helpers.requirements import requires
from helpers.sockets import pass_pidfds, receive_pidfd
from helpers.uapi import (
    CLONE_NEWPID,
    O_RDWR,
    PIDFD_INFO_COREDUMP,
    PIDFD_INFO_EXIT,
    POLLHUP,
    POLLIN,
    SO_PASSPIDFD,
    Open,
)
from suites.pidfd_sockets.descriptors import assert_pidfd_of

STATUS = 7
KINDS = [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM]
UCRED = struct.Struct("=iII")


pytestmark = requires(Feature.SOCKET_PIDFD)


@pytest.fixture
def pair(kind):
    """A socket that gets pidfds with its messages, and the one through which they are sent."""
    receiver, sender = socket.socketpair(socket.AF_UNIX, kind)
    with receiver, sender:
        pass_pidfds(receiver)
        yield receiver, sender


def send(sender):
    """Have a process send a message and hold still."""
    return Actor(lambda: sender.send(b"x"), keep=[sender.fileno()])


@pytest.mark.behaviour("SOCK-PASS")
@pytest.mark.parametrize("kind", KINDS)
def test_sender(pair):
    receiver, sender = pair
    with send(sender) as actor:
        actor.act()
        assert_pidfd_of(actor.pid, receive_pidfd(receiver))


@pytest.mark.behaviour("SOCK-PASS")
def test_two_senders(pair):
    receiver, sender = pair
    with send(sender) as one, send(sender) as other:
        for actor in (one, other, one):
            actor.act()
            assert_pidfd_of(actor.pid, receive_pidfd(receiver))


@pytest.mark.behaviour("SOCK-PASS")
def test_thread_that_sends(pair):
    receiver, sender = pair
    with ThreadActor(lambda: sender.send(b"x")) as thread:
        thread.act()
        assert_pidfd_of(os.getpid(), receive_pidfd(receiver))


@pytest.mark.behaviour("SOCK-PASS-FD")
def test_descriptor(pair):
    receiver, sender = pair
    sender.send(b"x")
    fd = receive_pidfd(receiver)
    assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    assert Open(fcntl.fcntl(fd, fcntl.F_GETFL)) == O_RDWR
    with own_pidfd() as own:
        assert fdinfo.read_text(fd) == fdinfo.read_text(own)
        assert os.path.sameopenfile(fd, own)
    os.close(fd)


@pytest.mark.behaviour("SOCK-PASS-OPTION")
def test_option(pair):
    receiver, sender = pair
    for value in (1, 0):
        receiver.setsockopt(socket.SOL_SOCKET, SO_PASSPIDFD, value)
        assert receiver.getsockopt(socket.SOL_SOCKET, SO_PASSPIDFD) == value
    before = open_descriptors()
    sender.send(b"x")
    assert receiver.recvmsg(1, socket.CMSG_SPACE(64))[:3] == (b"x", [], 0)
    assert open_descriptors() == before


@pytest.mark.behaviour("SOCK-PASS-OPTION")
@changed_by(PIDFD_INFO_COREDUMP, before=OK, after=EOPNOTSUPP)  # of the same release, 6.16
def test_option_of_another_family(answer):
    with socket.socket(socket.AF_INET) as other:
        expect(answer, pass_pidfds, other)


@pytest.mark.behaviour("SOCK-PASS-CREDENTIALS")
def test_sender_who_names_another_process(pair):
    receiver, sender = pair
    with zombie(os.getpid) as other:
        credentials = UCRED.pack(other.pid, os.getuid(), os.getgid())
        sender.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
        assert_pidfd_of(other.pid, receive_pidfd(receiver))


@pytest.mark.behaviour("SOCK-PASS-REAPED")
@changed_by(PIDFD_INFO_COREDUMP, before=-EINVAL, after=-ESRCH)  # of the same release, 6.16
@changed_by(Feature.PIDFD_XATTRS, before=-ESRCH, after=OK)  # of the same release, 6.17
def test_sender_that_was_reaped(pair, answer):
    receiver, sender = pair
    with send(sender) as actor:
        actor.act()
        actor.exit(STATUS)
        actor.reap()
    fd = receive_pidfd(receiver)
    if answer != OK:
        assert fd == answer
        return
    assert fdinfo.read_pidfd(fd).pid == -1
    assert poll(fd) == POLLIN | POLLHUP
    assert os.waitstatus_to_exitcode(get_info(fd, PIDFD_INFO_EXIT).exit_code) == STATUS
    os.close(fd)


@pytest.mark.behaviour("SOCK-PASS-EMFILE")
def test_no_free_descriptor(pair):
    receiver, sender = pair
    sender.send(b"x")
    with exhausted():
        fd = receive_pidfd(receiver)
    assert fd == -EMFILE


@pytest.mark.behaviour("SOCK-PASS-ROOM")
@pytest.mark.parametrize("room", [0, socket.CMSG_LEN(0)])
def test_no_room_for_it(pair, room):
    receiver, sender = pair
    before = open_descriptors()
    sender.send(b"x")
    content, _, flags, _ = receiver.recvmsg(1, room)
    assert (content, flags) == (b"x", socket.MSG_CTRUNC)
    assert open_descriptors() == before


@pytest.mark.behaviour("SOCK-PASS-NS")
def test_sender_whom_the_receiver_cannot_see(pair):
    receiver, sender = pair

    def receive():
        fd = receive_pidfd(receiver)
        expect(EINVAL, pidfd_send_signal, fd, 0)
        return fdinfo.read_pidfd(fd).nspid

    sender.send(b"x")
    with Actor(receive, make=lambda child: clone_in(CLONE_NEWPID, child), keep=[receiver.fileno()]) as actor:
        # The procfs mount is that of the outer namespace.
        assert actor.act() == (os.getpid(),)
