# SPDX-License-Identifier: GPL-2.0-or-later
"""The namespaces of a pidfd's process."""

import fcntl
import os
from errno import EACCES, EINVAL, ESRCH
from pathlib import Path

import pytest

from helpers.actors import Actor, LeaderlessActor, live
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.descriptors import closing
from helpers.errors import expect, outcome
from helpers.features import Feature
from helpers.pidfd import NAMESPACES, clone_in, get_namespace, own_pidfd, pidfd_of
from helpers.requirements import requires
from helpers.uapi import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    O_RDONLY,
    Open,
)

ALL_NEW = (
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP
)


pytestmark = requires(Feature.PIDFD_NAMESPACES)


@pytest.fixture(scope="module")
def elsewhere():
    """A process in namespaces of its own, all but that of time, and its pidfd."""
    with Actor(os.getpid, make=lambda child: clone_in(ALL_NEW, child)) as actor, pidfd_of(actor.pid) as fd:
        yield actor, fd


@pytest.mark.behaviour("PINFO-NS")
@pytest.mark.parametrize("name", NAMESPACES)
def test_namespace(elsewhere, name):
    actor, fd = elsewhere
    with closing(get_namespace(fd, name)) as namespace:
        link = Path(f"/proc/{actor.pid}/ns/{name}")
        assert os.path.samestat(os.fstat(namespace), link.stat())
        assert Path(f"/proc/self/fd/{namespace}").readlink() == link.readlink()
        assert fcntl.fcntl(namespace, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert Open(fcntl.fcntl(namespace, fcntl.F_GETFL)) == O_RDONLY


@pytest.mark.behaviour("PINFO-NS-ARGUMENT")
@pytest.mark.parametrize("name", NAMESPACES)
def test_argument(name):
    with own_pidfd() as fd:
        expect(EINVAL, get_namespace, fd, name, 1)


def attempts(fd):
    return {outcome(get_namespace, fd, name) for name in NAMESPACES}


@pytest.mark.behaviour("PINFO-NS-ESRCH")
def test_process_that_has_exited():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        assert attempts(fd) == {ESRCH}
        actor.reap()
        assert attempts(fd) == {ESRCH}


@pytest.mark.behaviour("PINFO-NS-ESRCH")
def test_process_whose_leader_has_exited():
    with LeaderlessActor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert attempts(fd) == {ESRCH}


@pytest.mark.behaviour("PINFO-NS-UNPRIV")
def test_process_of_somebody_else():
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        assert in_child(lambda: attempts(fd), unprivileged) == {EACCES}
