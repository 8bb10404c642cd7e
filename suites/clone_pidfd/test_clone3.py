# SPDX-License-Identifier: GPL-2.0-or-later
"""clone3(CLONE_PIDFD): where it differs from clone."""

import ctypes
import mmap
import os
from errno import E2BIG, EFAULT, EINVAL, EMFILE
from signal import SIGCHLD

import pytest

from helpers import fdinfo
from helpers.descriptors import GuardedBuffer, exhausted, open_descriptors
from helpers.errors import OK, by_behaviour, expect, outcome
from helpers.pidfd import clone3, waitid
from helpers.uapi import (
    CLONE_DETACHED,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    O_CLOEXEC,
    O_RDWR,
    Clone,
    CloneArgs,
    Open,
)
from suites.clone_pidfd.children import UNTOUCHED, assert_no_child, assert_refused, new_cell

FIRST_SIZE = 64


def arguments(flags=CLONE_PIDFD, exit_signal=SIGCHLD, **others):
    return CloneArgs(flags=flags, exit_signal=exit_signal, **others)


@pytest.mark.behaviour("CLONE3-BOTH")
def test_pidfd_and_pid():
    fd, tid = new_cell(), new_cell()
    args = arguments(
        CLONE_PIDFD | CLONE_PARENT_SETTID, pidfd=ctypes.addressof(fd), parent_tid=ctypes.addressof(tid)
    )
    pid = clone3(args)
    assert tid.value == pid
    assert fdinfo.read_pidfd(fd.value).pid == pid
    os.waitpid(pid, 0)
    os.close(fd.value)


@pytest.mark.behaviour("CLONE3-PIDFD")
def test_pidfd_is_the_childs_alone():
    before, cell = open_descriptors(), new_cell()
    args = arguments(pidfd=ctypes.addressof(cell))
    pid = clone3(args, lambda: os._exit(open_descriptors() != before))
    info = fdinfo.read_pidfd(cell.value)
    assert (info.pid, Open(info.flags)) == (pid, O_RDWR | O_CLOEXEC)
    assert open_descriptors() == before | {cell.value}
    assert waitid(cell.value, os.WEXITED).si_status == 0
    os.close(cell.value)


@pytest.mark.behaviour("CLONE3-SAMEPTR")
def test_pidfd_and_pid_in_the_same_place():
    cell = new_cell()
    place = ctypes.addressof(cell)
    assert_refused(
        EINVAL, clone3, arguments(CLONE_PIDFD | CLONE_PARENT_SETTID, pidfd=place, parent_tid=place)
    )
    assert cell.value == UNTOUCHED


@pytest.mark.parametrize(
    ("flags", "exit_signal", "answer"),
    by_behaviour(
        {
            "CLONE3-DETACHED": [
                (CLONE_DETACHED, SIGCHLD, EINVAL),
                (CLONE_DETACHED | CLONE_PIDFD, SIGCHLD, EINVAL),
                (SIGCHLD, 0, EINVAL),
                (CLONE_PIDFD | SIGCHLD, 0, EINVAL),
            ],
            "CLONE3-EXITSIG": [
                (CLONE_PIDFD, 65, EINVAL),
                (CLONE_PIDFD, 0x100, EINVAL),
                (CLONE_PIDFD, 1 << 32 | SIGCHLD, EINVAL),
            ],
        }
    ),
)
def test_refused_arguments(flags, exit_signal, answer):
    cell = new_cell()
    assert_refused(answer, clone3, arguments(flags, exit_signal, pidfd=ctypes.addressof(cell)))
    assert cell.value == UNTOUCHED


@pytest.mark.behaviour("CLONE3-PIDFD-NULL")
@pytest.mark.parametrize("address", ["null", "protected"])
def test_nowhere_to_store(address):
    protected = GuardedBuffer(0)
    assert_refused(EFAULT, clone3, arguments(pidfd=protected.address if address == "protected" else 0))


@pytest.mark.behaviour("CLONE3-EMFILE")
def test_no_free_descriptor():
    cell = new_cell()
    with exhausted():
        answer = outcome(clone3, arguments(pidfd=ctypes.addressof(cell)))
    assert (answer, cell.value) == (EMFILE, UNTOUCHED)
    assert_no_child()


@pytest.mark.behaviour("CLONE3-SIZE")
@pytest.mark.parametrize(
    ("size", "answer"), [(0, EINVAL), (FIRST_SIZE - 1, EINVAL), (mmap.PAGESIZE + 1, E2BIG)]
)
def test_refused_sizes(size, answer):
    assert_refused(answer, clone3, arguments(Clone(0)), size=size)


@pytest.mark.behaviour("CLONE3-SIZE")
def test_first_size():
    expect(OK, clone3, arguments(Clone(0)), size=FIRST_SIZE)
    os.waitpid(-1, 0)
