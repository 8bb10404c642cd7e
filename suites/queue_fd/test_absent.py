# SPDX-License-Identifier: GPL-2.0-or-later
"""What every kernel must answer, with the feature or without it."""

from errno import EINVAL, ENOTTY, EPERM

import pytest

from helpers import skips
from helpers.changes import changed_by
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.errors import OK, expect, outcome
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, has
from helpers.queue_fd import ControlGroup, Presence, detect, open_queue
from helpers.uapi import FAN_CLASS_CONTENT, FAN_CLASS_NOTIF, FAN_CLASS_PRE_CONTENT

CLASSES = pytest.mark.parametrize("kind", [FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT])


@pytest.fixture
def flag_means_nothing_else():
    if detect() is Presence.ANOTHER_MEANING:
        skips.not_implemented("the bit of the proposal has another meaning on this kernel")


@pytest.mark.behaviour("RST-01")
@CLASSES
@changed_by(Feature.QUEUE_FD, before=EINVAL, after=OK)
def test_flag(kind, flag_means_nothing_else, answer):
    expect(answer, ControlGroup, kind)


@pytest.mark.behaviour("RST-02")
@pytest.mark.parametrize("kind", [FAN_CLASS_NOTIF, FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT])
def test_queue_of_an_ordinary_group(kind):
    with FanotifyGroup(kind) as group:
        answer = outcome(open_queue, group.fd)
    # The text that says EINVAL was reviewed, and the review asks for an ioctl handler of the control descriptor alone.
    assert answer in ({EINVAL, ENOTTY} if has(Feature.QUEUE_FD) else {ENOTTY})


@pytest.mark.behaviour("RST-05")
@CLASSES
def test_without_privilege(kind):
    # Where nobody knows the flag, the class alone is for administrators.
    expect(EPERM, in_child, lambda: ControlGroup(kind), unprivileged)
