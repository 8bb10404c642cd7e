# SPDX-License-Identifier: GPL-2.0-or-later
"""Which groups can be restartable, and what they watch."""

from errno import EINVAL

import pytest

from helpers import fdinfo, proposals
from helpers.changes import changed_by
from helpers.errors import OK, expect, outcome
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.permission import Requester
from helpers.queue_fd import ControlGroup
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ACCESS_PERM,
    FAN_CLASS_CONTENT,
    FAN_CLASS_NOTIF,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOSE,
    FAN_CLOSE_WRITE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FLUSH,
    FAN_MARK_REMOVE,
    FAN_MODIFY,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_EXEC,
    FAN_OPEN_EXEC_PERM,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
)

pytestmark = requires(Feature.QUEUE_FD)

FIDS = [FAN_REPORT_FID, FAN_REPORT_DIR_FID, FAN_REPORT_DFID_NAME, FAN_REPORT_DFID_NAME_TARGET]
PERMISSION = [
    FAN_OPEN_PERM,
    FAN_ACCESS_PERM,
    FAN_OPEN_EXEC_PERM,
    FAN_OPEN_PERM | FAN_ACCESS_PERM,
    FAN_OPEN_PERM | FAN_EVENT_ON_CHILD,
    FAN_OPEN_PERM | FAN_ONDIR,
]
NOTIFICATION = [FAN_OPEN, FAN_CLOSE_WRITE, FAN_CLOSE, FAN_ACCESS, FAN_MODIFY, FAN_OPEN_EXEC]


@pytest.mark.behaviour("RST-04")
@pytest.mark.parametrize(
    ("kind", "answer"),
    [(FAN_CLASS_NOTIF, EINVAL), (FAN_CLASS_CONTENT, OK), (FAN_CLASS_PRE_CONTENT, OK)],
    ids=["FAN_CLASS_NOTIF", "FAN_CLASS_CONTENT", "FAN_CLASS_PRE_CONTENT"],
)
def test_class(kind, answer):
    expect(answer, ControlGroup, kind)


@pytest.mark.behaviour("RST-06")
@pytest.mark.parametrize("fid", FIDS)
@pytest.mark.parametrize("kind", [FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT])
def test_file_handles(kind, fid):
    expect(outcome(FanotifyGroup, kind | fid), ControlGroup, kind | fid)
    expect(EINVAL, ControlGroup, kind | fid)


@pytest.mark.behaviour("RST-19")
def test_marks_belong_to_the_control_descriptor(control, file):
    with control.open_queue() as queue:
        expect(EINVAL, queue.mark, FAN_MARK_ADD, FAN_ACCESS_PERM, file)
        expect(OK, control.mark, FAN_MARK_ADD, FAN_ACCESS_PERM, file)


@pytest.mark.behaviour("RST-20")
@pytest.mark.parametrize("mask", PERMISSION)
def test_permission_event(mask, public_dir):
    with ControlGroup() as control:
        expect(OK, control.mark, FAN_MARK_ADD, mask, public_dir)
        assert len(fdinfo.read_group(control.fd).marks) == 1


@pytest.mark.behaviour("RST-20")
@pytest.mark.parametrize("mask", NOTIFICATION)
def test_other_event(mask, public_dir):
    with ControlGroup() as control:
        expect(EINVAL, control.mark, FAN_MARK_ADD, mask, public_dir)
        assert not fdinfo.read_group(control.fd).marks


@pytest.mark.behaviour("RST-20")
@changed_by(FAN_PRE_ACCESS, before=EINVAL, after=OK)
def test_pre_content_event(ext4_dir, answer):
    file = ext4_dir / "file"
    file.touch()
    with ControlGroup(FAN_CLASS_PRE_CONTENT) as control:
        expect(answer, control.mark, FAN_MARK_ADD, FAN_PRE_ACCESS, file)


@pytest.mark.behaviour("RST-21")
@pytest.mark.usefixtures("undecided")
@pytest.mark.parametrize("mask", [FAN_OPEN, FAN_MODIFY | FAN_EVENT_ON_CHILD])
def test_permission_event_and_another(mask, public_dir):
    with ControlGroup() as control:
        expect(EINVAL, control.mark, FAN_MARK_ADD, FAN_OPEN_PERM | mask, public_dir)


@pytest.mark.behaviour("RST-22")
@pytest.mark.usefixtures("undecided")
def test_flush(control):
    expect(OK, control.mark, FAN_MARK_FLUSH, 0)
    assert not fdinfo.read_group(control.fd).marks


@pytest.mark.behaviour("RST-23")
def test_removed_mark(control, file):
    expect(OK, control.mark, FAN_MARK_REMOVE, FAN_OPEN_PERM, file)
    with control.open_queue() as queue, Requester(file.read_text) as requester:
        assert not requester.is_asked_for(queue)
        assert requester.finish() == "content"


@pytest.mark.behaviour("RST-17")
def test_control_descriptor_tells_the_group(control):
    told = fdinfo.read_group(control.fd)
    assert told.init_flags == control.flags
    assert told.init_flags & proposals.queue_fd().init_flag
    assert [mark.mask for mark in told.marks] == [FAN_OPEN_PERM]
