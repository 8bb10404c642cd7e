# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to watch, and what every test of this suite needs."""

import pytest

from helpers.features import Feature, require


@pytest.fixture(autouse=True)
def _pidfds():
    require(Feature.REPORT_PIDFD)


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
