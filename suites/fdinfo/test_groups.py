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
from helpers.features import Feature, has, require
from helpers.uapi import Init, Mark, Mask, Open

GROUPS = [
    (Init(0), None),
    (Init.CLOEXEC, None),
    (Init.NONBLOCK, None),
    (Init.CLASS_CONTENT, None),
    (Init.CLASS_PRE_CONTENT, None),
    (Init.UNLIMITED_QUEUE | Init.UNLIMITED_MARKS, None),
    (Init.REPORT_TID, None),
    (Init.REPORT_PIDFD, Feature.REPORT_PIDFD),
    (Init.REPORT_FID, None),
    (Init.REPORT_DFID_NAME, None),
    (Init.REPORT_DFID_NAME_TARGET, Feature.REPORT_TARGET_FID),
    (Init.REPORT_FD_ERROR, Feature.REPORT_FD_ERROR),
    (Init.REPORT_MNT, Feature.REPORT_MNT),
]
EVENT_FLAGS = [
    Open.RDONLY,
    Open.WRONLY,
    Open.RDWR,
    Open.LARGEFILE,
    Open.CLOEXEC,
    Open.NONBLOCK,
    Open.APPEND,
    Open.NOATIME,
    Open.DSYNC,
    Open.SYNC,
    Open.RDWR | Open.CLOEXEC | Open.NONBLOCK,
]


@pytest.mark.behaviour("FDI-GROUP-LINE")
@pytest.mark.parametrize(("flags", "feature"), GROUPS, ids=[str(flags) for flags, _ in GROUPS])
def test_flags(flags, feature):
    if feature:
        require(feature)
    with FanotifyGroup(flags) as group:
        assert Init(fdinfo.read_group(group.fd).init_flags) == flags


@pytest.mark.behaviour("FDI-FLAGS-AUDIT")
@pytest.mark.parametrize("more", [Init(0), Init.CLASS_CONTENT | Init.CLOEXEC | Init.NONBLOCK], ids=str)
def test_audit_is_left_out(more):
    require(Feature.ENABLE_AUDIT)
    with FanotifyGroup(Init.ENABLE_AUDIT | more) as group:
        assert Init(fdinfo.read_group(group.fd).init_flags) == more


@pytest.mark.behaviour("FDI-FLAGS-UNPRIV")
def test_group_of_a_user():
    require(Feature.UNPRIVILEGED_GROUPS)

    def call():
        with FanotifyGroup(Init.REPORT_FID | Init.NONBLOCK) as group:
            return Init(fdinfo.read_group(group.fd).init_flags)

    assert in_child(call, unprivileged) == Init.REPORT_FID | Init.NONBLOCK


@pytest.mark.behaviour("FDI-EVFLAGS-LARGEFILE")
@pytest.mark.parametrize("event_flags", EVENT_FLAGS, ids=str)
def test_event_flags(event_flags):
    with FanotifyGroup(Init(0), event_flags) as group:
        assert Open(fdinfo.read_group(group.fd).event_flags) == event_flags | Open.LARGEFILE


@pytest.mark.behaviour("FDI-GROUP-INO")
def test_inode_number():
    with FanotifyGroup() as group:
        expected = os.fstat(group.fd).st_ino if has(Feature.FDINFO_INO) else None
        assert fdinfo.read_group(group.fd).ino == expected


@pytest.mark.behaviour("FDI-GROUP-LINE")
def test_open_file_description():
    with FanotifyGroup(Init.CLOEXEC) as group:
        shown = fdinfo.read_group(group.fd)
        assert shown.pos == 0
        assert Open(shown.flags) == Open(fcntl.fcntl(group, fcntl.F_GETFL)) | Open.CLOEXEC
        fcntl.fcntl(group, fcntl.F_SETFL, Open.NONBLOCK)
        assert Open(fdinfo.read_group(group.fd).flags) & Open.NONBLOCK
        # fanotify_init(2) was not given FAN_NONBLOCK.
        assert Init(fdinfo.read_group(group.fd).init_flags) == Init.CLOEXEC


@pytest.mark.behaviour("FDI-GROUP-EMPTY")
def test_no_marks():
    with FanotifyGroup() as group:
        assert fdinfo.read_group(group.fd).marks == frozenset()


@pytest.mark.behaviour("FDI-GROUP-OTHER")
def test_group_of_another_process(public_dir):
    with FanotifyGroup(Init.REPORT_TID) as group:
        group.mark(Mark.ADD, Mask.OPEN, public_dir)
        ours, process = fdinfo.read_group(group.fd), f"/proc/{os.getpid()}"
        assert in_child(lambda: fdinfo.read_group(group.fd, Path(process))) == ours
