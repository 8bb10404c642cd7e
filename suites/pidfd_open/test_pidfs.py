# SPDX-License-Identifier: GPL-2.0-or-later
"""The file behind a pidfd: one inode a process, and what can be asked of it."""

import ctypes
import fcntl
import os
import stat
from errno import ENODATA, ENXIO, EOPNOTSUPP, EPERM, ESTALE
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.actors import Actor, live
from helpers.changes import changed_by
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.descriptors import opened
from helpers.errors import OK, expect, outcome
from helpers.features import Feature
from helpers.handles import fd_to_handle, open_by_handle_at
from helpers.pidfd import clone_as, clone_in, own_pidfd, pidfd_of, pidfd_send_signal
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWPID, PIDFD_THREAD, Constants


class Magic(Constants):
    """Filesystems as statfs(2) tells them."""

    ANON_INODE_FS_MAGIC = 0x09041934
    PID_FS_MAGIC = 0x50494446


FD_PIDFS_ROOT = -10002
FILEID_PIDFS = 254


def inode(fd):
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


@pytest.mark.behaviour("POPEN-INODE")
@changed_by(PIDFD_THREAD, before=False, after=True)  # pidfs is of the same release, 6.9
def test_inode_of_two_processes(answer):
    with live(os.getpid) as actor, own_pidfd() as own, own_pidfd() as second, pidfd_of(actor.pid) as other:
        assert inode(own) == inode(second)
        assert (inode(own) != inode(other)) == answer


@pytest.mark.behaviour("POPEN-INODE")
@requires(PIDFD_THREAD)
def test_inode_of_two_processes_with_one_number():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        before = inode(fd)
        actor.exit()
        actor.reap()
        assert inode(fd) == before
        with Actor(os.getpid, make=lambda child: clone_as(actor.pid, child)), pidfd_of(actor.pid) as other:
            assert inode(other) != before


@pytest.mark.behaviour("POPEN-PIDFS")
@changed_by(PIDFD_THREAD, before=Magic.ANON_INODE_FS_MAGIC, after=Magic.PID_FS_MAGIC)
def test_filesystem(answer):
    with own_pidfd() as fd:
        found = ctypes.create_string_buffer(256)
        syscall("fstatfs", fd, found)
        assert ctypes.c_long.from_buffer(found).value == answer
        assert stat.S_IFMT(os.fstat(fd).st_mode) == 0


def open_again(fd, flags):
    with opened(f"/proc/self/fd/{fd}", flags) as again:
        pidfd_send_signal(again, 0)
        assert fdinfo.read_pidfd(again).pid == fdinfo.read_pidfd(fd).pid
        assert Path(f"/proc/self/fd/{again}").readlink() == Path("anon_inode:[pidfd]")


ALLOWED_LATER = [
    changed_by(PIDFD_THREAD, before=ENXIO, after=EPERM),
    changed_by(Feature.PIDFD_XATTRS, before=EPERM, after=OK),
]


@pytest.mark.behaviour("POPEN-REOPEN")
@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("O_RDONLY", marks=changed_by(PIDFD_THREAD, before=ENXIO, after=OK)),
        pytest.param("O_WRONLY", marks=ALLOWED_LATER),
        pytest.param("O_RDWR", marks=ALLOWED_LATER),
    ],
)
def test_open_again(mode, answer):
    with own_pidfd() as fd:
        expect(answer, open_again, fd, getattr(os, mode))


@pytest.mark.behaviour("POPEN-CHMOD")
@requires(PIDFD_THREAD)
@pytest.mark.parametrize(
    ("change", "arguments"),
    [(os.fchmod, (0o777,)), (os.fchown, (1, 1)), (os.utime, ((1, 1),))],
    ids=["mode", "owner", "times"],
)
@changed_by(Feature.PIDFD_XATTRS, before=EPERM, after=EOPNOTSUPP)
def test_change(change, arguments, answer):
    with own_pidfd() as fd:
        before = os.fstat(fd)
        expect(answer, change, fd, *arguments)
        assert os.fstat(fd) == before


@pytest.mark.behaviour("POPEN-XATTR")
@requires(Feature.PIDFD_XATTRS)
def test_attribute():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        with pidfd_of(actor.pid) as other:
            os.setxattr(other, "trusted.suite", b"value")
        assert os.getxattr(fd, "trusted.suite") == b"value"
        assert os.listxattr(fd) == ["trusted.suite"]
        actor.exit()
        actor.reap()
        assert os.getxattr(fd, "trusted.suite") == b"value"
        os.removexattr(fd, "trusted.suite")
        assert os.listxattr(fd) == []


@pytest.mark.behaviour("POPEN-XATTR")
@requires(Feature.PIDFD_XATTRS)
@pytest.mark.parametrize("namespace", ["user", "security"])
def test_attribute_of_another_namespace(namespace):
    with own_pidfd() as fd:
        expect(EOPNOTSUPP, os.setxattr, fd, f"{namespace}.suite", b"value")


@pytest.mark.behaviour("POPEN-XATTR-NONE")
@requires(Feature.PIDFD_XATTRS)
@pytest.mark.parametrize("call", [os.getxattr, os.removexattr])
@pytest.mark.parametrize("others", [False, True], ids=["never-had-one", "has-another"])
def test_attribute_that_was_not_set(call, others):
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        if others:
            os.setxattr(fd, "trusted.other", b"value")
        expect(ENODATA, call, fd, "trusted.suite")


@pytest.mark.behaviour("POPEN-XATTR-UNPRIV")
@requires(Feature.PIDFD_XATTRS)
def test_attribute_without_privilege():
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        os.setxattr(fd, "trusted.suite", b"value")

        def attempts():
            return outcome(os.setxattr, fd, "trusted.suite", b""), outcome(os.getxattr, fd, "trusted.suite")

        assert in_child(attempts, unprivileged) == (EPERM, ENODATA)


def assert_same_process(fd, again):
    assert fdinfo.read_pidfd(again).pid == fdinfo.read_pidfd(fd).pid
    assert inode(again) == inode(fd)
    pidfd_send_signal(again, 0)
    os.close(again)


@pytest.mark.behaviour("POPEN-HANDLE")
@requires(Feature.PIDFD_HANDLES)
def test_handle():
    with live(os.getpid) as actor, pidfd_of(actor.pid) as fd, own_pidfd() as mount:
        handle = fd_to_handle(fd)
        assert (handle.type, len(handle.data)) == (FILEID_PIDFS, 8)
        assert_same_process(fd, open_by_handle_at(mount, handle))
        again = open_by_handle_at(mount, handle, os.O_CLOEXEC | os.O_NONBLOCK)
        assert fcntl.fcntl(again, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert not os.get_blocking(again)
        os.close(again)


@pytest.mark.behaviour("POPEN-HANDLE")
@requires(Feature.PIDFD_HANDLES)
def test_handle_without_privilege():
    with own_pidfd() as fd:
        handle = fd_to_handle(fd)
        assert (
            in_child(lambda: fdinfo.read_pidfd(open_by_handle_at(fd, handle)).pid, unprivileged)
            == os.getpid()
        )


@pytest.mark.behaviour("POPEN-HANDLE-ROOT")
@requires(Feature.PIDFD_HANDLES, Feature.PIDFD_XATTRS)  # with which FD_PIDFS_ROOT came, 6.17
def test_handle_without_a_mount():
    with own_pidfd() as fd:
        handle = fd_to_handle(fd)
        assert_same_process(fd, open_by_handle_at(FD_PIDFS_ROOT, handle))


@pytest.mark.behaviour("POPEN-HANDLE-STALE")
@requires(Feature.PIDFD_HANDLES)
def test_handle_of_a_process_that_was_reaped():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd, own_pidfd() as mount:
        handle = fd_to_handle(fd)
        actor.exit()
        os.close(open_by_handle_at(mount, handle))
        actor.reap()
        assert fd_to_handle(fd) == handle
        expect(ESTALE, open_by_handle_at, mount, handle)


@pytest.mark.behaviour("POPEN-HANDLE-STALE")
@requires(Feature.PIDFD_HANDLES)
def test_handle_in_a_namespace_that_does_not_see_the_process():
    with own_pidfd() as fd:
        handle = fd_to_handle(fd)

        def attempts():
            with pidfd_of(os.getpid()) as mount:
                return outcome(open_by_handle_at, mount, handle)

        with Actor(attempts, make=lambda child: clone_in(CLONE_NEWPID, child)) as actor:
            assert actor.act() == ESTALE
