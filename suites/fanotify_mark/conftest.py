# SPDX-License-Identifier: GPL-2.0-or-later
"""What most of these tests have: a group to mark with."""

import pytest

from helpers.fanotify import FanotifyGroup
from helpers.uapi import FAN_NONBLOCK


@pytest.fixture
def group():
    """A group whose reads do not block."""
    with FanotifyGroup(FAN_NONBLOCK) as group:
        yield group
