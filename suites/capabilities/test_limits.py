# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of marks and events, and the flags which lift them."""

from errno import ENOSPC

import pytest

from helpers import sysctl
from helpers.children import in_child
from helpers.credentials import user, user_namespace
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, require
from helpers.uapi import Init, Mark, Mask

FID = Init.REPORT_FID
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
    require(Feature.UNPRIVILEGED_GROUPS)

    def call():
        sysctl.write(sysctl.USER / "max_fanotify_marks", 1)
        with FanotifyGroup(FID) as group:
            expect(OK, group.mark, Mark.ADD, Mask.OPEN, files[0])
            expect(OK, group.mark, Mark.ADD, Mask.ACCESS, files[0])
            expect(ENOSPC, group.mark, Mark.ADD, Mask.OPEN, files[1])
            expect(OK, group.mark, Mark.REMOVE, Mask.OPEN | Mask.ACCESS, files[0])
            expect(OK, group.mark, Mark.ADD, Mask.OPEN, files[1])

    in_child(call, user_namespace())


@pytest.mark.behaviour("CAP-UNLIMITED-MARKS")
def test_unlimited_marks(files):
    require(Feature.UNPRIVILEGED_GROUPS)

    def call():
        with FanotifyGroup(Init.UNLIMITED_MARKS) as unlimited, FanotifyGroup() as limited:
            for file in files:
                expect(OK, unlimited.mark, Mark.ADD, Mask.OPEN, file)
            expect(OK, limited.mark, Mark.ADD, Mask.OPEN, files[0])
            expect(ENOSPC, limited.mark, Mark.ADD, Mask.OPEN, files[1])

    with sysctl.setting(sysctl.FANOTIFY / "max_user_marks", 1):
        in_child(call, user(SPARE_USER))


@pytest.mark.behaviour("CAP-UNLIMITED-QUEUE")
@pytest.mark.parametrize(
    ("flags", "masks"),
    [(Init.UNLIMITED_QUEUE, [Mask.OPEN] * FILES), (Init(0), [Mask.OPEN, Mask.Q_OVERFLOW])],
    ids=["FAN_UNLIMITED_QUEUE", "limited"],
)
def test_queue(flags, masks, files):
    require(Feature.UNPRIVILEGED_GROUPS)
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        group = FanotifyGroup(flags | Init.NONBLOCK)
    with group:
        group.mark(Mark.ADD, Mask.OPEN | Mask.EVENT_ON_CHILD, files[0].parent)
        for file in files:
            file.read_bytes()
        assert [event.mask for event in group.read()] == masks
