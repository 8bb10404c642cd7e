# SPDX-License-Identifier: GPL-2.0-or-later
"""What most of these tests have: a file which can be watched, by descriptor or by file handle."""

import pytest


@pytest.fixture
def file(ext4_file):
    return ext4_file
