# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/fdinfo says of a pidfd: the numbers of the process, in each pid namespace."""

import functools
import os
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.actors import Actor
from helpers.changes import changed_by
from helpers.features import Feature, has
from helpers.namespaces import own_proc
from helpers.pidfd import clone_in, own_pidfd, pidfd_of
from helpers.requirements import requires
from helpers.uapi import CLONE_NEWPID, O_CLOEXEC, O_RDWR, PIDFD_THREAD, Open

pytestmark = requires(fanotify=False)

in_new_namespace = functools.partial(clone_in, CLONE_NEWPID)


@pytest.mark.behaviour("FDI-PIDFD-PID")
def test_own_process():
    with own_pidfd() as fd:
        info = fdinfo.read_pidfd(fd)
        assert (info.pid, info.nspid) == (os.getpid(), (os.getpid(),))
        assert Open(info.flags) == O_RDWR | O_CLOEXEC
        assert info.pos == 0


@pytest.mark.behaviour("FDI-PIDFD-ZOMBIE", "FDI-PIDFD-REAPED")
def test_process_which_exits():
    with Actor(os.getpid) as child, pidfd_of(child.pid) as fd:
        child.exit()
        info = fdinfo.read_pidfd(fd)
        assert (info.pid, info.nspid) == (child.pid, (child.pid,))
        child.reap()
        info = fdinfo.read_pidfd(fd)
        assert (info.pid, info.nspid) == (-1, (-1,))


@pytest.mark.behaviour("FDI-PIDFD-NSCHAIN")
def test_process_of_a_child_namespace():
    with Actor(os.getpid, make=in_new_namespace) as child, pidfd_of(child.pid) as fd:
        info = fdinfo.read_pidfd(fd)
        assert (info.pid, info.nspid) == (child.pid, (child.pid, 1))


@pytest.mark.behaviour("FDI-PIDFD-NSCHAIN")
def test_process_which_sees_itself_from_inside():
    def numbers():
        with own_pidfd() as fd:
            return fdinfo.read_pidfd(fd, own_proc() / "self")

    with Actor(numbers, make=in_new_namespace) as child:
        info = child.act()
        assert (info.pid, info.nspid) == (1, (1,))


@pytest.mark.behaviour("FDI-PIDFD-NS0")
def test_process_outside_of_the_namespace():
    with own_pidfd() as fd:

        def numbers():
            return fdinfo.read_pidfd(fd, own_proc() / "self")

        with Actor(numbers, make=in_new_namespace, keep=[fd]) as child:
            info = child.act()
            assert (info.pid, info.nspid) == (0, (0,))


@pytest.mark.behaviour("FDI-PIDFD-PROCNS")
def test_procfs_decides_and_not_the_reader():
    def numbers():
        outside = Path(f"/proc/{Path('/proc/self').readlink()}")
        with own_pidfd() as fd:
            return fdinfo.read_pidfd(fd, outside), fdinfo.read_pidfd(fd, own_proc() / "self")

    with Actor(numbers, make=in_new_namespace) as child:
        outer, inner = child.act()
        assert (outer.pid, outer.nspid) == (child.pid, (child.pid, 1))
        assert (inner.pid, inner.nspid) == (1, (1,))


@pytest.mark.behaviour("FDI-PIDFD-INO")
@changed_by(
    PIDFD_THREAD, before=False, after=True
)  # pidfs is of the same release, 6.9; before, all share one inode
def test_inode(answer):
    with (
        Actor(os.getpid) as child,
        pidfd_of(child.pid) as theirs,
        pidfd_of(child.pid) as again,
        own_pidfd() as ours,
    ):
        assert os.fstat(theirs).st_ino == os.fstat(again).st_ino
        assert (os.fstat(theirs).st_ino != os.fstat(ours).st_ino) == answer
        if has(Feature.FDINFO_INO):
            assert fdinfo.read_pidfd(theirs).ino == os.fstat(theirs).st_ino


@pytest.mark.behaviour("FDI-PIDFD-INO")
def test_inode_stays_when_the_process_is_gone():
    with Actor(os.getpid) as child, pidfd_of(child.pid) as fd:
        before = os.fstat(fd).st_ino
        child.exit()
        child.reap()
        assert os.fstat(fd).st_ino == before


@pytest.mark.behaviour("FDI-PIDFD-LINK")
def test_link():
    with own_pidfd() as fd:
        assert str(Path(f"/proc/self/fd/{fd}").readlink()) == "anon_inode:[pidfd]"
