# SPDX-License-Identifier: GPL-2.0-or-later
"""CLONE_AUTOREAP and CLONE_PIDFD_AUTOKILL: children whom only their pidfd knows."""

import contextlib
import ctypes
import os
from errno import ECHILD, EINVAL, EPERM
from signal import SIGCHLD, SIGKILL

import pytest

from helpers.actors import Actor
from helpers.children import in_child
from helpers.credentials import without
from helpers.errors import OK, expect, outcome
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.pidfd import clone3, get_info, pidfd_open, poll, waitid
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.tracee import Tracee
from helpers.uapi import (
    CAP_SYS_ADMIN,
    CLONE_AUTOREAP,
    CLONE_NNP,
    CLONE_PARENT,
    CLONE_PIDFD,
    CLONE_PIDFD_AUTOKILL,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
    FAN_MARK_ADD,
    FAN_OPEN,
    FAN_REPORT_PIDFD,
    PIDFD_GET_INFO,
    PIDFD_INFO_EXIT,
    POLLHUP,
    POLLIN,
    Clone,
    CloneArgs,
    Poll,
)
from helpers.waiting import wait_until
from suites.clone_pidfd.children import new_cell

AUTOREAP = CLONE_PIDFD | CLONE_AUTOREAP
AUTOKILL = AUTOREAP | CLONE_PIDFD_AUTOKILL


pytestmark = requires(CLONE_AUTOREAP, PIDFD_GET_INFO)


@contextlib.contextmanager
def child_with_pidfd(flags, act=os.getpid):
    cell = new_cell()
    args = CloneArgs(flags=flags, pidfd=ctypes.addressof(cell))
    with Actor(act, make=lambda child: clone3(args, child)) as actor:
        yield actor, cell.value


def assert_exit_code(fd, status):
    # It becomes readable when the child exits, and hangs up when nothing is left of it.
    wait_until(lambda: poll(fd) == POLLIN | POLLHUP, "the pidfd of the child tells that it is gone")
    info = get_info(fd, PIDFD_INFO_EXIT)
    assert info.mask & PIDFD_INFO_EXIT
    assert os.waitstatus_to_exitcode(info.exit_code) == status


@pytest.mark.behaviour("CLONE3-AUTOREAP")
def test_autoreap():
    with child_with_pidfd(AUTOREAP) as (child, fd):
        child.leave(7)
        assert_exit_code(fd, 7)
        expect(ECHILD, waitid, fd, os.WEXITED)
        expect(ECHILD, os.waitpid, child.pid, 0)
        os.close(fd)


@pytest.mark.behaviour("CLONE3-AUTOREAP-BAD", "CLONE3-AUTOKILL-BAD")
@pytest.mark.parametrize(
    ("flags", "exit_signal"),
    [
        (AUTOREAP, SIGCHLD),
        (AUTOREAP | CLONE_PARENT, 0),
        (AUTOREAP | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0),
        (CLONE_PIDFD_AUTOKILL, 0),
        (CLONE_PIDFD_AUTOKILL | CLONE_PIDFD, 0),
        (CLONE_PIDFD_AUTOKILL | CLONE_AUTOREAP, 0),
    ],
)
def test_refused(flags, exit_signal):
    cell = new_cell()
    args = CloneArgs(flags=flags, pidfd=ctypes.addressof(cell), exit_signal=exit_signal)
    with Tracee(lambda: syscall("gettid")) as tracee:
        tracee.actor.start()
        tracee.run_to_entry("gettid")
        assert tracee.call("clone3", ctypes.addressof(args), ctypes.sizeof(args)) == -EINVAL


@pytest.mark.behaviour("CLONE3-AUTOKILL")
def test_closing_the_last_copy_kills():
    with child_with_pidfd(AUTOKILL) as (child, fd):
        watching, copy = pidfd_open(child.pid), os.dup(fd)
        os.close(fd)
        assert child.act() == child.pid
        os.close(copy)
        assert_exit_code(watching, -SIGKILL)
        os.close(watching)


@pytest.mark.behaviour("CLONE3-AUTOKILL-BAD")
@pytest.mark.parametrize(("more", "answer"), [(Clone(0), EPERM), (CLONE_NNP, OK)])
def test_autokill_without_privilege(more, answer):
    cell = new_cell()
    args = CloneArgs(flags=AUTOKILL | more, pidfd=ctypes.addressof(cell))
    assert in_child(lambda: outcome(clone3, args), without(CAP_SYS_ADMIN)) == answer


@pytest.mark.behaviour("CLONE3-AUTOKILL-FAN")
@requires(Feature.FANOTIFY, FAN_REPORT_PIDFD)
def test_other_pidfds_do_not_kill(public_dir):
    file = public_dir / "file"
    file.write_text("content")
    with FanotifyGroup(FAN_REPORT_PIDFD) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN, file)
        with child_with_pidfd(AUTOKILL, file.read_text) as (child, fd):
            child.act()
            os.close(group.disown(group.read_one().pidfd))
            os.close(pidfd_open(child.pid))
            assert poll(fd) == Poll(0)
            assert child.act() == "content"
            os.close(fd)
