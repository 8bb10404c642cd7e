# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/fdinfo says of a group: how it was made."""

import fcntl
import os
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, has
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOEXEC,
    FAN_ENABLE_AUDIT,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    FAN_UNLIMITED_MARKS,
    FAN_UNLIMITED_QUEUE,
    O_APPEND,
    O_CLOEXEC,
    O_DSYNC,
    O_LARGEFILE,
    O_NOATIME,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_SYNC,
    O_WRONLY,
    Init,
    Open,
)

GROUPS = [
    Init(0),
    FAN_CLOEXEC,
    FAN_NONBLOCK,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
    FAN_REPORT_TID,
    FAN_REPORT_PIDFD,
    FAN_REPORT_FID,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_MNT,
]
EVENT_FLAGS = [
    O_RDONLY,
    O_WRONLY,
    O_RDWR,
    O_LARGEFILE,
    O_CLOEXEC,
    O_NONBLOCK,
    O_APPEND,
    O_NOATIME,
    O_DSYNC,
    O_SYNC,
    O_RDWR | O_CLOEXEC | O_NONBLOCK,
]


@pytest.mark.behaviour("FDI-GROUP-LINE")
@pytest.mark.parametrize("flags", GROUPS)
@requires(lambda flags: flags)
def test_flags(flags):
    with FanotifyGroup(flags) as group:
        assert Init(fdinfo.read_group(group.fd).init_flags) == flags


@pytest.mark.behaviour("FDI-FLAGS-AUDIT")
@requires(FAN_ENABLE_AUDIT)
@pytest.mark.parametrize("more", [Init(0), FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK])
def test_audit_is_left_out(more):
    with FanotifyGroup(FAN_ENABLE_AUDIT | more) as group:
        assert Init(fdinfo.read_group(group.fd).init_flags) == more


@pytest.mark.behaviour("FDI-FLAGS-UNPRIV")
@requires(Feature.UNPRIVILEGED_GROUPS)
def test_group_of_a_user():
    def call():
        with FanotifyGroup(FAN_REPORT_FID | FAN_NONBLOCK) as group:
            return Init(fdinfo.read_group(group.fd).init_flags)

    assert in_child(call, unprivileged) == FAN_REPORT_FID | FAN_NONBLOCK


@pytest.mark.behaviour("FDI-EVFLAGS-LARGEFILE")
@pytest.mark.parametrize("event_flags", EVENT_FLAGS)
def test_event_flags(event_flags):
    with FanotifyGroup(Init(0), event_flags) as group:
        assert Open(fdinfo.read_group(group.fd).event_flags) == event_flags | O_LARGEFILE


@pytest.mark.behaviour("FDI-GROUP-INO")
def test_inode_number():
    with FanotifyGroup() as group:
        expected = os.fstat(group.fd).st_ino if has(Feature.FDINFO_INO) else None
        assert fdinfo.read_group(group.fd).ino == expected


@pytest.mark.behaviour("FDI-GROUP-LINE")
def test_open_file_description():
    with FanotifyGroup(FAN_CLOEXEC) as group:
        shown = fdinfo.read_group(group.fd)
        assert shown.pos == 0
        assert Open(shown.flags) == Open(fcntl.fcntl(group, fcntl.F_GETFL)) | O_CLOEXEC
        fcntl.fcntl(group, fcntl.F_SETFL, O_NONBLOCK)
        assert Open(fdinfo.read_group(group.fd).flags) & O_NONBLOCK
        # fanotify_init(2) was not given FAN_NONBLOCK.
        assert Init(fdinfo.read_group(group.fd).init_flags) == FAN_CLOEXEC


@pytest.mark.behaviour("FDI-GROUP-EMPTY")
def test_no_marks():
    with FanotifyGroup() as group:
        assert fdinfo.read_group(group.fd).marks == frozenset()


@pytest.mark.behaviour("FDI-GROUP-OTHER")
def test_group_of_another_process(public_dir):
    with FanotifyGroup(FAN_REPORT_TID) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN, public_dir)
        ours, process = fdinfo.read_group(group.fd), f"/proc/{os.getpid()}"
        assert in_child(lambda: fdinfo.read_group(group.fd, Path(process))) == ours
