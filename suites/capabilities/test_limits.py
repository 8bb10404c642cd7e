# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of marks and events, and the flags which lift them."""

from errno import ENOSPC

import pytest

from helpers import sysctl
from helpers.children import in_child
from helpers.credentials import user, user_namespace
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_REMOVE,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_Q_OVERFLOW,
    FAN_REPORT_FID,
    FAN_UNLIMITED_MARKS,
    FAN_UNLIMITED_QUEUE,
    Init,
)

pytestmark = requires(Feature.UNPRIVILEGED_GROUPS)

SPARE_USER = 54321
FILES = 20


@pytest.fixture
def files(ext4_dir):
    """Return some files."""
    paths = [ext4_dir / str(number) for number in range(FILES)]
    for path in paths:
        path.touch()
    return paths


@pytest.mark.behaviour("CAP-LIMIT-MARKS")
def test_limit_of_marks(files):
    def call():
        sysctl.write(sysctl.USER / "max_fanotify_marks", 1)
        with FanotifyGroup(FAN_REPORT_FID) as group:
            expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, files[0])
            expect(OK, group.mark, FAN_MARK_ADD, FAN_ACCESS, files[0])
            expect(ENOSPC, group.mark, FAN_MARK_ADD, FAN_OPEN, files[1])
            expect(OK, group.mark, FAN_MARK_REMOVE, FAN_OPEN | FAN_ACCESS, files[0])
            expect(OK, group.mark, FAN_MARK_ADD, FAN_OPEN, files[1])

    in_child(call, user_namespace())


@pytest.mark.behaviour("CAP-UNLIMITED-MARKS")
def test_unlimited_marks(files):
    def call():
        with FanotifyGroup(FAN_UNLIMITED_MARKS) as unlimited, FanotifyGroup() as limited:
            for file in files:
                expect(OK, unlimited.mark, FAN_MARK_ADD, FAN_OPEN, file)
            expect(OK, limited.mark, FAN_MARK_ADD, FAN_OPEN, files[0])
            expect(ENOSPC, limited.mark, FAN_MARK_ADD, FAN_OPEN, files[1])

    with sysctl.setting(sysctl.FANOTIFY / "max_user_marks", 1):
        in_child(call, user(SPARE_USER))


@pytest.mark.behaviour("CAP-UNLIMITED-QUEUE")
@pytest.mark.parametrize(
    ("flags", "masks"),
    [(FAN_UNLIMITED_QUEUE, [FAN_OPEN] * FILES), (Init(0), [FAN_OPEN, FAN_Q_OVERFLOW])],
    ids=["FAN_UNLIMITED_QUEUE", "limited"],
)
def test_queue(flags, masks, files):
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        group = FanotifyGroup(flags | FAN_NONBLOCK)
    with group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, files[0].parent)
        for file in files:
            file.read_bytes()
        assert [event.mask for event in group.read()] == masks
