# SPDX-License-Identifier: GPL-2.0-or-later
"""pidfds from AF_UNIX sockets (unix(7); asm-generic/socket.h and linux/socket.h, since 6.5)."""

import ctypes
import socket
import struct

from helpers.syscalls import syscall
from helpers.uapi import SCM_PIDFD, SO_PASSPIDFD, SO_PEERPIDFD

_INT = struct.Struct("=i")


def peer_pidfd(connection: socket.socket) -> int:
    """Return a new pidfd of the peer (SO_PEERPIDFD); raise OSError."""
    return connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)


def store_peer_pidfd(connection: socket.socket, address: int) -> None:
    """Call getsockopt(2) with SO_PEERPIDFD and an address at which the kernel stores the pidfd; raise OSError."""
    length = ctypes.create_string_buffer(_INT.pack(_INT.size), _INT.size)
    syscall("getsockopt", connection.fileno(), socket.SOL_SOCKET, SO_PEERPIDFD, address, length)


def pass_pidfds(receiver: socket.socket) -> None:
    """Set SO_PASSPIDFD: the kernel adds a pidfd of the sender to every message that this socket receives."""
    receiver.setsockopt(socket.SOL_SOCKET, SO_PASSPIDFD, 1)


def receive_pidfd(receiver: socket.socket) -> int:
    """Receive a message, and return the pidfd of its SCM_PIDFD, or the negated errno in its place.

    Raises AssertionError if the message does not have exactly one control message, an SCM_PIDFD.
    """
    _, ancillary, _, _ = receiver.recvmsg(4096, socket.CMSG_SPACE(64))
    kinds = [(level, kind) for level, kind, _ in ancillary]
    assert kinds == [(socket.SOL_SOCKET, SCM_PIDFD)], f"expected one SCM_PIDFD, received {kinds}"
    pidfd: int = _INT.unpack(ancillary[0][2])[0]
    return pidfd
