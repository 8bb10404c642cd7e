# SPDX-License-Identifier: GPL-2.0-or-later
"""What the descriptor of a new group is like."""

import fcntl
from errno import EAGAIN
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.errors import expect_errno
from helpers.fanotify import FanotifyGroup
from helpers.uapi import (
    FAN_CLOEXEC,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    O_ACCMODE,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    Init,
    Open,
)

COMBINATIONS = [Init(0), FAN_CLOEXEC, FAN_NONBLOCK, FAN_CLOEXEC | FAN_NONBLOCK]


@pytest.mark.behaviour("INIT-BASIC")
def test_basic(public_dir):
    with FanotifyGroup() as group:
        assert Path(f"/proc/self/fd/{group.fd}").readlink() == Path("anon_inode:[fanotify]")
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR, public_dir)
        assert not list(public_dir.iterdir())
        assert group.read_one().mask == FAN_OPEN


@pytest.mark.behaviour("INIT-CLOEXEC")
@pytest.mark.parametrize("flags", COMBINATIONS)
def test_close_on_exec(flags):
    with FanotifyGroup(flags) as group:
        assert bool(fcntl.fcntl(group, fcntl.F_GETFD) & fcntl.FD_CLOEXEC) == bool(flags & FAN_CLOEXEC)
        assert bool(fdinfo.read_group(group.fd).flags & O_CLOEXEC) == bool(flags & FAN_CLOEXEC)


@pytest.mark.behaviour("INIT-NONBLOCK")
@pytest.mark.parametrize("flags", COMBINATIONS)
def test_non_blocking(flags):
    with FanotifyGroup(flags) as group:
        assert bool(fcntl.fcntl(group, fcntl.F_GETFL) & O_NONBLOCK) == bool(flags & FAN_NONBLOCK)


@pytest.mark.behaviour("INIT-NONBLOCK")
def test_read_of_an_empty_queue():
    with FanotifyGroup(FAN_NONBLOCK) as group, expect_errno(EAGAIN, "read of an empty queue"):
        group.read_bytes()


@pytest.mark.behaviour("INIT-NONBLOCK-FCNTL")
def test_non_blocking_by_fcntl():
    with FanotifyGroup() as group:
        fcntl.fcntl(group, fcntl.F_SETFL, O_NONBLOCK)
        with expect_errno(EAGAIN, "read of an empty queue, O_NONBLOCK set by F_SETFL"):
            group.read_bytes()


@pytest.mark.behaviour("INIT-MODE-RDWR")
@pytest.mark.parametrize("event_f_flags", [O_RDONLY, O_WRONLY, O_RDWR])
def test_access_mode(event_f_flags):
    with FanotifyGroup(Init(0), event_f_flags) as group:
        assert Open(fcntl.fcntl(group, fcntl.F_GETFL)) & O_ACCMODE == O_RDWR
