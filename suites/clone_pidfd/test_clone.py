# SPDX-License-Identifier: GPL-2.0-or-later
"""clone(CLONE_PIDFD): what the caller gets, and what is refused."""

import fcntl
import os
from errno import ECHILD, EFAULT, EINVAL, EMFILE
from signal import SIGCHLD

import pytest

from helpers import fdinfo
from helpers.changes import changed_by
from helpers.descriptors import GuardedBuffer, exhausted, open_descriptors
from helpers.errors import OK, by_behaviour, expect, outcome
from helpers.features import Feature
from helpers.pidfd import clone, clone_with_pidfd, waitid
from helpers.uapi import CLONE_DETACHED, CLONE_PARENT_SETTID, CLONE_PIDFD, O_RDWR, WALL, Open
from suites.clone_pidfd.children import (
    UNTOUCHED,
    assert_no_child,
    assert_refused,
    child_with_pidfd,
    is_pidfd,
    new_cell,
)

NOT_A_SIGNAL = 65


@pytest.mark.behaviour("CLONE-PTID")
def test_pidfd_is_the_childs():
    with child_with_pidfd() as (child, fd):
        assert is_pidfd(fd)
        assert fdinfo.read_pidfd(fd).pid == child.pid


@pytest.mark.behaviour("CLONE-CLOEXEC")
def test_descriptor_flags():
    with child_with_pidfd() as (_, fd):
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        assert Open(fcntl.fcntl(fd, fcntl.F_GETFL)) == O_RDWR


@pytest.mark.behaviour("CLONE-CHILD-LACKS")
def test_child_lacks_its_pidfd():
    before = open_descriptors()
    pid, fd = clone_with_pidfd(lambda: os._exit(open_descriptors() != before))
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    ("flags", "answer"),
    by_behaviour(
        {
            "CLONE-DETACHED": [(CLONE_PIDFD | CLONE_DETACHED, EINVAL)],
            "CLONE-PARENT-SETTID": [(CLONE_PIDFD | CLONE_PARENT_SETTID, EINVAL)],
        }
    ),
)
def test_refused_flags(flags, answer):
    cell = new_cell()
    assert_refused(answer, clone, flags | SIGCHLD, cell)
    assert cell.value == UNTOUCHED


@pytest.mark.behaviour("CLONE-DETACHED-ALONE")
def test_detached_without_pidfd():
    pid = clone(CLONE_DETACHED | SIGCHLD)
    assert os.waitpid(pid, 0) == (pid, 0)


@pytest.mark.behaviour("CLONE-NULL-PTID")
@pytest.mark.parametrize("address", [0, "protected"])
def test_nowhere_to_store(address):
    assert_refused(EFAULT, clone, CLONE_PIDFD | SIGCHLD, GuardedBuffer(0).address if address else 0)


@pytest.mark.behaviour("CLONE-EMFILE")
def test_no_free_descriptor():
    with exhausted():
        answer = outcome(clone, CLONE_PIDFD | SIGCHLD, new_cell())
    assert answer == EMFILE
    assert_no_child()


@pytest.mark.behaviour("CLONE-NOSIG")
def test_no_exit_signal():
    pid, fd = clone_with_pidfd(lambda: None, signal=0)
    expect(ECHILD, waitid, fd, os.WEXITED)
    assert waitid(fd, os.WEXITED | WALL).si_pid == pid
    os.close(fd)


@pytest.mark.behaviour("CLONE-EXITSIG-INVALID")
@changed_by(Feature.EXIT_SIGNAL_CHECK, before=OK, after=EINVAL)
def test_exit_signal_that_does_not_exist(answer):
    if answer != OK:
        assert_refused(answer, clone, NOT_A_SIGNAL)
    else:
        pid = clone(NOT_A_SIGNAL)
        assert os.waitpid(pid, WALL) == (pid, 0)
