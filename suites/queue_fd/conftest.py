# SPDX-License-Identifier: GPL-2.0-or-later
"""A file, and a restartable group which is asked before anybody opens it."""

import pytest

from helpers.features import Feature
from helpers.queue_fd import controlling
from helpers.requirements import requires


@pytest.fixture
def file(public_dir):
    path = public_dir / "file"
    path.write_text("content")
    return path


@pytest.fixture
@requires(Feature.QUEUE_FD)
def control(file):
    with controlling(file) as control:
        yield control
