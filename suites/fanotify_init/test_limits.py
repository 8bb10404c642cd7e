# SPDX-License-Identifier: GPL-2.0-or-later
"""How many groups a user may have, how long their queues are, and the settings which say so."""

from errno import EINVAL, EMFILE

import pytest

from helpers import sysctl
from helpers.children import in_child
from helpers.credentials import user, user_namespace
from helpers.descriptors import exhausted
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup, fanotify_init
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_Q_OVERFLOW,
    FAN_REPORT_FID,
)

pytestmark = requires(Feature.UNPRIVILEGED_GROUPS)

BOTH_CLASSES = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT
SETTINGS = ["max_queued_events", "max_user_groups", "max_user_marks"]
SPARE_USER = 54321


@pytest.mark.behaviour("INIT-EMFILE-FD")
def test_no_descriptor_left():
    def call():
        sysctl.write(sysctl.USER / "max_fanotify_groups", 1)
        with exhausted():
            expect(EMFILE, fanotify_init, FAN_REPORT_FID)
            expect(EMFILE, fanotify_init, FAN_REPORT_FID)
        with exhausted(free=1):
            expect(OK, fanotify_init, FAN_REPORT_FID)

    in_child(call, user_namespace())


@pytest.mark.behaviour("INIT-EMFILE-GROUPS")
def test_no_group_left():
    def call():
        sysctl.write(sysctl.USER / "max_fanotify_groups", 2)
        with FanotifyGroup(FAN_REPORT_FID), FanotifyGroup(FAN_REPORT_FID) as second:
            expect(EMFILE, fanotify_init, FAN_REPORT_FID)
            second.close()
            expect(OK, fanotify_init, FAN_REPORT_FID)

    in_child(call, user_namespace())


@pytest.mark.behaviour("INIT-CLASS-BOTH-LATE", "INIT-EMFILE-GROUPS")
def test_no_group_left_for_two_classes():
    def call():
        groups = [FanotifyGroup() for _ in range(sysctl.read(sysctl.FANOTIFY / "max_user_groups"))]
        expect(EMFILE, fanotify_init)
        expect(EMFILE, fanotify_init, BOTH_CLASSES)
        expect(EINVAL, fanotify_init, BOTH_CLASSES | FAN_REPORT_FID)
        groups.pop().close()
        expect(EINVAL, fanotify_init, BOTH_CLASSES)

    in_child(call, user(SPARE_USER))


@pytest.mark.behaviour("INIT-SYSCTL-NAMES")
@pytest.mark.parametrize(
    "path",
    [
        *(sysctl.FANOTIFY / name for name in SETTINGS),
        sysctl.USER / "max_fanotify_groups",
        sysctl.USER / "max_fanotify_marks",
    ],
    ids=lambda path: path.name,
)
def test_setting(path):
    assert sysctl.read(path) >= 0


@pytest.mark.behaviour("INIT-SYSCTL-RANGE")
@pytest.mark.parametrize("name", SETTINGS)
def test_negative_setting(name):
    path = sysctl.FANOTIFY / name
    with sysctl.setting(path, sysctl.read(path)):
        expect(EINVAL, sysctl.write, path, -1)


@pytest.mark.behaviour("INIT-SYSCTL-QUEUE0")
def test_queue_limit_lowered_and_raised(public_dir):
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        group = FanotifyGroup(FAN_NONBLOCK)
    with group:
        assert opened_files(group, public_dir) == [FAN_OPEN, FAN_Q_OVERFLOW]


@pytest.mark.behaviour("INIT-SYSCTL-QUEUE0")
def test_queue_limit_lowered_later(public_dir):
    with FanotifyGroup(FAN_NONBLOCK) as group, sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        assert opened_files(group, public_dir) == [FAN_OPEN] * 3


def opened_files(group, directory):
    """Open three files, and return the masks of the events."""
    group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, directory)
    for number in range(3):
        (directory / str(number)).touch()
    return [event.mask for event in group.read()]
