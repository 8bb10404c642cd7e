# SPDX-License-Identifier: GPL-2.0-or-later
"""What most of these tests have: a group which is asked before anybody opens the file."""

import pytest

from helpers.fanotify import watching
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import FAN_CLASS_CONTENT, FAN_NONBLOCK, FAN_OPEN_PERM


@pytest.fixture(autouse=True)
@requires(Feature.PERMISSION_EVENTS)
def _permission_events():
    """What every test of this suite is about."""


@pytest.fixture
def group(file):
    with watching(file, FAN_OPEN_PERM, FAN_CLASS_CONTENT | FAN_NONBLOCK) as group:
        yield group
