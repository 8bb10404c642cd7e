# SPDX-License-Identifier: GPL-2.0-or-later
"""What every test of this suite needs."""

import pytest

from helpers.requirements import requires
from helpers.uapi import FAN_REPORT_PIDFD


@pytest.fixture(autouse=True)
@requires(FAN_REPORT_PIDFD)
def _pidfds():
    """What every test of this suite is about."""
