# SPDX-License-Identifier: GPL-2.0-or-later
"""A file, and a restartable group which is asked before anybody opens it."""

import pytest

from helpers.features import Feature, require
from helpers.queue_fd import controlling


@pytest.fixture
def file(public_dir):
    path = public_dir / "file"
    path.write_text("content")
    return path


@pytest.fixture
def restartable():
    require(Feature.QUEUE_FD)


@pytest.fixture
def control(restartable, file):
    with controlling(file) as control:
        yield control
