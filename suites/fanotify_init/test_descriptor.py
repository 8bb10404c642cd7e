# SPDX-License-Identifier: GPL-2.0-or-later
"""What the descriptor of a new group is like."""

import fcntl
from errno import EAGAIN
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.errors import expect_errno
from helpers.fanotify import FanotifyGroup
from helpers.uapi import Init, Mark, Mask, Open

COMBINATIONS = [Init(0), Init.CLOEXEC, Init.NONBLOCK, Init.CLOEXEC | Init.NONBLOCK]


@pytest.mark.behaviour("INIT-BASIC")
def test_basic(public_dir):
    with FanotifyGroup() as group:
        assert Path(f"/proc/self/fd/{group.fd}").readlink() == Path("anon_inode:[fanotify]")
        group.mark(Mark.ADD, Mask.OPEN | Mask.ONDIR, public_dir)
        assert not list(public_dir.iterdir())
        assert group.read_one().mask == Mask.OPEN


@pytest.mark.behaviour("INIT-CLOEXEC")
@pytest.mark.parametrize("flags", COMBINATIONS, ids=str)
def test_close_on_exec(flags):
    with FanotifyGroup(flags) as group:
        assert bool(fcntl.fcntl(group, fcntl.F_GETFD) & fcntl.FD_CLOEXEC) == bool(flags & Init.CLOEXEC)
        assert bool(fdinfo.read_group(group.fd).flags & Open.CLOEXEC) == bool(flags & Init.CLOEXEC)


@pytest.mark.behaviour("INIT-NONBLOCK")
@pytest.mark.parametrize("flags", COMBINATIONS, ids=str)
def test_non_blocking(flags):
    with FanotifyGroup(flags) as group:
        assert bool(fcntl.fcntl(group, fcntl.F_GETFL) & Open.NONBLOCK) == bool(flags & Init.NONBLOCK)


@pytest.mark.behaviour("INIT-NONBLOCK")
def test_read_of_an_empty_queue():
    with FanotifyGroup(Init.NONBLOCK) as group, expect_errno(EAGAIN, "read of an empty queue"):
        group.read_bytes()


@pytest.mark.behaviour("INIT-NONBLOCK-FCNTL")
def test_non_blocking_by_fcntl():
    with FanotifyGroup() as group:
        fcntl.fcntl(group, fcntl.F_SETFL, Open.NONBLOCK)
        with expect_errno(EAGAIN, "read of an empty queue, O_NONBLOCK set by F_SETFL"):
            group.read_bytes()


@pytest.mark.behaviour("INIT-MODE-RDWR")
@pytest.mark.parametrize("event_f_flags", [Open.RDONLY, Open.WRONLY, Open.RDWR], ids=str)
def test_access_mode(event_f_flags):
    with FanotifyGroup(Init(0), event_f_flags) as group:
        assert Open(fcntl.fcntl(group, fcntl.F_GETFL)) & Open.ACCMODE == Open.RDWR
