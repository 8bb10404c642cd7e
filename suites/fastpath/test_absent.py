# SPDX-License-Identifier: GPL-2.0-or-later
"""What every kernel must answer, with the feature or without it."""

from errno import ENOENT, ENOTTY

import pytest

from helpers.errors import OK, outcome
from helpers.fanotify import FanotifyGroup
from helpers.fastpath import Presence, attach, detach, detect, directory
from helpers.uapi import FAN_CLASS_CONTENT, FAN_CLASS_NOTIF, FAN_CLASS_PRE_CONTENT, FAN_REPORT_FID

GROUPS = [FAN_CLASS_NOTIF, FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT, FAN_REPORT_FID]
ATTACH_UNKNOWN = {
    Presence.ABSENT: {ENOTTY},
    # The stubs of the proposal answer so where it is left out of the configuration.
    Presence.COMPILED_OUT: {ENOTTY, ENOENT},
    Presence.PRESENT: {ENOENT},
}
DETACH = {Presence.ABSENT: {ENOTTY}, Presence.COMPILED_OUT: {ENOTTY, OK}, Presence.PRESENT: {OK}}


@pytest.mark.behaviour("FP-01")
@pytest.mark.parametrize("flags", GROUPS)
def test_attach(flags):
    with FanotifyGroup(flags) as group:
        assert outcome(attach, group, "no-such-handler") in ATTACH_UNKNOWN[detect()]


@pytest.mark.behaviour("FP-01", "FP-13")
@pytest.mark.parametrize("flags", GROUPS)
def test_detach(flags):
    with FanotifyGroup(flags) as group:
        assert outcome(detach, group) in DETACH[detect()]


@pytest.mark.behaviour("FP-02")
def test_directory():
    assert directory().exists() == (detect() is Presence.PRESENT)
