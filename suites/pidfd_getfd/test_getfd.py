# SPDX-License-Identifier: GPL-2.0-or-later
"""What the duplicate is, and what can be done with it."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.actors import Actor, in_turn, live
from helpers.descriptors import closing, same_description
from helpers.events import parse
from helpers.fanotify import BUFFER_SIZE, FanotifyGroup, fanotify_mark
from helpers.features import Feature
from helpers.pidfd import own_pidfd, pidfd_getfd, pidfd_of, pidfd_open
from helpers.requirements import requires
from helpers.uapi import FAN_MARK_ADD, FAN_NONBLOCK, FAN_OPEN, O_PATH, Open


@contextlib.contextmanager
def taken(actor):
    """Have a duplicate of the descriptor which an actor returns."""
    with pidfd_of(actor.pid) as pidfd:
        fd = pidfd_getfd(pidfd, actor.act())
    with closing(fd):
        yield fd


@pytest.mark.behaviour("PGETFD-OK")
@pytest.mark.parametrize("inheritable", [True, False])
def test_duplicate(inheritable):
    def open_null():
        fd = os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(fd, inheritable)
        return fd

    with Actor(open_null) as actor, taken(actor) as fd:
        assert Path(f"/proc/self/fd/{fd}").readlink() == Path(os.devnull)
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC


@pytest.mark.behaviour("PGETFD-SHARED")
def test_offset_and_flags(public_dir):
    file = public_dir / "file"
    file.write_text("content")
    opened = []

    def open_file():
        opened.append(os.open(file, os.O_RDONLY))
        return opened[0]

    def read():
        return os.read(opened[0], 3), os.get_blocking(opened[0])

    with Actor(in_turn(open_file, read)) as actor, taken(actor) as fd:
        assert os.read(fd, 2) == b"co"
        os.set_blocking(fd, False)
        assert actor.act() == (b"nte", False)
        actor.exit()
        assert os.read(fd, 9) == b"nt"


@pytest.mark.behaviour("PGETFD-SHARED")
@requires(Feature.KCMP)
def test_open_file_description():
    with Actor(lambda: os.open(os.devnull, os.O_RDONLY)) as actor:
        one, other = actor.act(), actor.act()
        with pidfd_of(actor.pid) as pidfd:
            fd = pidfd_getfd(pidfd, one)
        assert same_description((os.getpid(), fd), (actor.pid, one))
        assert not same_description((os.getpid(), fd), (actor.pid, other))
        os.close(fd)


@pytest.mark.behaviour("PGETFD-SOCKET")
def test_socket(public_dir):
    sockets = []

    def make():
        sockets.append(socket.socket(socket.AF_UNIX))
        return sockets[0].fileno()

    def name():
        return sockets[0].getsockname()

    address = str(public_dir / "socket")
    with Actor(in_turn(make, name)) as actor, taken(actor) as fd:
        with socket.socket(fileno=os.dup(fd)) as ours:
            ours.bind(address)
        assert actor.act() == address


@pytest.mark.behaviour("PGETFD-OPATH")
def test_path_descriptor():
    with Actor(lambda: os.open("/", os.O_PATH)) as actor, taken(actor) as fd:
        assert O_PATH in Open(fcntl.fcntl(fd, fcntl.F_GETFL))
        assert os.path.samestat(os.fstat(fd), Path("/").stat())


@pytest.mark.behaviour("PGETFD-PIDFD")
def test_pidfd():
    with (
        live(os.getpid) as target,
        Actor(lambda: pidfd_open(target.pid)) as actor,
        taken(actor) as fd,
    ):
        assert fdinfo.read_pidfd(fd).pid == target.pid


@pytest.mark.behaviour("PGETFD-OWN")
def test_own_descriptor():
    reader, writer = os.pipe()
    with own_pidfd() as pidfd:
        copy = pidfd_getfd(pidfd, writer)
    os.close(writer)
    os.write(copy, b"x")
    os.close(copy)
    assert os.read(reader, 9) == b"x"
    os.close(reader)


@pytest.mark.behaviour("PGETFD-GROUPFD")
@requires(Feature.FANOTIFY)
def test_fanotify_group(public_dir):
    file = public_dir / "file"
    file.touch()

    def make():
        groups.append(FanotifyGroup(FAN_NONBLOCK))
        return groups[0].fd

    def read():
        return [event.mask for event in groups[0].read()]

    groups = []
    with Actor(in_turn(make, read)) as actor, taken(actor) as fd:
        fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, file)
        file.read_text()
        assert actor.act() == [FAN_OPEN]
        actor.exit()
        file.read_text()
        (event,) = parse(os.read(fd, BUFFER_SIZE))
        assert event.mask == FAN_OPEN
        os.close(event.fd)
