# SPDX-License-Identifier: GPL-2.0-or-later
"""SO_PEERPIDFD: a pidfd of who is at the other end of a connection."""

import fcntl
import os
import socket
from errno import EFAULT, EINVAL, EMFILE, ENODATA, ENOPROTOOPT
from signal import SIGTERM

import pytest

from helpers import fdinfo
from helpers.actors import Actor, ThreadActor
from helpers.changes import changed_by
from helpers.descriptors import exhausted, open_descriptors
from helpers.errors import OK, expect
from helpers.features import Feature
from helpers.pidfd import get_info, pidfd_of, pidfd_send_signal, poll
from helpers.requirements import requires
from helpers.sockets import peer_pidfd, store_peer_pidfd
from helpers.uapi import O_RDWR, PIDFD_INFO_COREDUMP, PIDFD_INFO_EXIT, POLLHUP, POLLIN, SO_PEERPIDFD, Open
from suites.pidfd_sockets.descriptors import assert_pidfd_of

STATUS = 7
CONNECTED = [socket.SOCK_STREAM, socket.SOCK_SEQPACKET]


pytestmark = requires(Feature.SOCKET_PIDFD)


@pytest.fixture
def listener(public_dir, kind):
    """A socket to which one can connect."""
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.bind(str(public_dir / "socket"))
        listener.listen()
        yield listener


@pytest.fixture
def connect(listener):
    """An act that connects to the listener, and keeps the connection."""
    # An actor has no listener any more when it connects.
    kind, address, connections = listener.type, listener.getsockname(), []

    def connect():
        connections.append(socket.socket(socket.AF_UNIX, kind))
        connections[-1].connect(address)
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def peer(listener, connect):
    """A process that has connected, and the other end of its connection."""
    with Actor(lambda: connect().fileno()) as actor:
        actor.act()
        with listener.accept()[0] as connection:
            yield actor, connection


@pytest.mark.behaviour("SOCK-PEER")
@pytest.mark.parametrize("kind", CONNECTED)
def test_who_has_connected(peer):
    actor, connection = peer
    assert_pidfd_of(actor.pid, peer_pidfd(connection))


@pytest.mark.behaviour("SOCK-PEER")
@pytest.mark.parametrize("kind", CONNECTED)
def test_who_listens(connect):
    assert_pidfd_of(os.getpid(), peer_pidfd(connect()))


@pytest.mark.behaviour("SOCK-PEER")
@pytest.mark.parametrize("kind", [*CONNECTED, socket.SOCK_DGRAM])
def test_who_made_a_pair(kind):
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    with one, other, Actor(os.getpid, keep=[other.fileno()]):
        for end in (one, other):
            assert_pidfd_of(os.getpid(), peer_pidfd(end))


@pytest.mark.behaviour("SOCK-PEER")
def test_thread_that_has_connected(listener, connect):
    with ThreadActor(connect) as thread:
        thread.act()
        with listener.accept()[0] as connection:
            assert_pidfd_of(os.getpid(), peer_pidfd(connection))


@pytest.mark.behaviour("SOCK-PEER-FD")
def test_descriptor(peer):
    actor, connection = peer
    one, other = peer_pidfd(connection), peer_pidfd(connection)
    assert one != other
    for fd in (one, other):
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert Open(fcntl.fcntl(fd, fcntl.F_GETFL)) == O_RDWR
    with pidfd_of(actor.pid) as own:
        assert fdinfo.read_text(one) == fdinfo.read_text(own)
        assert os.path.sameopenfile(one, own)
    pidfd_send_signal(one, SIGTERM)
    actor.await_zombie()
    assert poll(other) == POLLIN
    os.close(one)
    os.close(other)


@pytest.mark.behaviour("SOCK-PEER-REAPED")
@changed_by(PIDFD_INFO_COREDUMP, before=EINVAL, after=OK)  # of the same release, 6.16
def test_peer_that_was_reaped(peer, answer):
    actor, connection = peer
    actor.exit(STATUS)
    assert_pidfd_of(actor.pid, peer_pidfd(connection))
    actor.reap()
    if answer != OK:
        expect(answer, peer_pidfd, connection)
        return
    fd = peer_pidfd(connection)
    assert fdinfo.read_pidfd(fd).pid == -1
    assert poll(fd) == POLLIN | POLLHUP
    assert os.waitstatus_to_exitcode(get_info(fd, PIDFD_INFO_EXIT).exit_code) == STATUS
    os.close(fd)


@pytest.mark.behaviour("SOCK-PEER-NONE")
@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM),
        (socket.AF_UNIX, socket.SOCK_DGRAM),
        (socket.AF_INET, socket.SOCK_STREAM),
        (socket.AF_INET, socket.SOCK_DGRAM),
    ],
)
def test_socket_without_a_peer(family, kind):
    with socket.socket(family, kind) as lonely:
        expect(ENODATA, peer_pidfd, lonely)


@pytest.mark.behaviour("SOCK-PEER-REFUSED")
def test_no_free_descriptor(connect):
    connection = connect()
    with exhausted():
        expect(EMFILE, peer_pidfd, connection)


@pytest.mark.behaviour("SOCK-PEER-REFUSED")
def test_nowhere_to_store(connect):
    connection = connect()
    before = open_descriptors()
    expect(EFAULT, store_peer_pidfd, connection, 0)
    assert open_descriptors() == before


@pytest.mark.behaviour("SOCK-PEER-REFUSED")
def test_setting_the_peer(connect):
    expect(ENOPROTOOPT, connect().setsockopt, socket.SOL_SOCKET, SO_PEERPIDFD, 1)
