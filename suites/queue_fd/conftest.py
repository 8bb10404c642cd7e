# SPDX-License-Identifier: GPL-2.0-or-later
"""A restartable group which is asked before anybody opens the file."""

import pytest

from helpers.features import Feature
from helpers.queue_fd import controlling
from helpers.requirements import requires


@pytest.fixture
@requires(Feature.QUEUE_FD)
def control(file):
    with controlling(file) as control:
        yield control
