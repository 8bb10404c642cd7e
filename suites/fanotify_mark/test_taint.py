# SPDX-License-Identifier: GPL-2.0-or-later
"""What Debian's kernels remember of permission events."""

import os
from pathlib import Path

import pytest

from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import FAN_CLASS_CONTENT, FAN_MARK_ADD, FAN_OPEN_PERM

TAINTED = Path("/proc/sys/kernel/tainted")
TAINT_AUX = 1 << 16


@pytest.mark.behaviour("MARK-TAINT-DEBIAN")
@requires(Feature.PERMISSION_EVENTS)
def test_taint(public_dir):
    before = int(TAINTED.read_text())
    with FanotifyGroup(FAN_CLASS_CONTENT) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN_PERM, public_dir)
    debian = TAINT_AUX if "Debian" in os.uname().version else 0
    assert int(TAINTED.read_text()) == before | debian
