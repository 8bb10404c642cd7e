# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to watch, and what every test of this suite needs."""

import pytest

from helpers.requirements import requires
from helpers.uapi import FAN_REPORT_PIDFD


@pytest.fixture(autouse=True)
@requires(FAN_REPORT_PIDFD)
def _pidfds():
    """What every test of this suite is about."""


@pytest.fixture
def file(public_dir):
    """A file with content."""
    file = public_dir / "file"
    file.write_text("content")
    return file


@pytest.fixture
def ext4_file(ext4_dir):
    """A file with content, on a filesystem with file handles."""
    file = ext4_dir / "file"
    file.write_text("content")
    return file
