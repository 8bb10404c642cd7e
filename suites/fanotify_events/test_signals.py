# SPDX-License-Identifier: GPL-2.0-or-later
"""Signal-driven I/O, F_SETOWN and O_ASYNC of fcntl(2), which groups do not do."""

import fcntl
import os
import socket
import struct
import termios
from errno import ENOTTY
from signal import SIG_BLOCK, SIGIO, pthread_sigmask, sigpending

import pytest

from helpers.children import in_child
from helpers.errors import expect
from helpers.fanotify import watching
from helpers.uapi import FAN_OPEN


def signalled(fd, act):
    """Ask for SIGIO when a descriptor is ready, act; return whether O_ASYNC stays set and SIGIO was sent."""

    def ask_and_act():
        pthread_sigmask(SIG_BLOCK, [SIGIO])
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        act()
        return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ASYNC), SIGIO in sigpending()

    return in_child(ask_and_act)


@pytest.mark.behaviour("META-SIGIO")
def test_no_signal(file):
    one, other = socket.socketpair()
    with one, other, watching(file, FAN_OPEN) as group:
        assert signalled(one.fileno(), lambda: other.send(b"x")) == (True, True)
        assert signalled(group.fd, file.read_bytes) == (False, False)
        assert group.masks() == [FAN_OPEN]


@pytest.mark.behaviour("META-SIGIO")
def test_fioasync(file):
    with watching(file, FAN_OPEN) as group:
        expect(ENOTTY, fcntl.ioctl, group, termios.FIOASYNC, struct.pack("=i", 1))
