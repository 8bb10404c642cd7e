# SPDX-License-Identifier: GPL-2.0-or-later
"""A file, a restartable group which is asked before anybody opens it, and what the proposal leaves open."""

import pytest

from helpers import proposals
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


@pytest.fixture
def undecided(request):
    """Hold only the reference kernel to the test: another may read the proposal otherwise."""
    if not proposals.is_reference():
        reason = "the proposal does not say"
        request.node.add_marker(pytest.mark.xfail(raises=AssertionError, strict=False, reason=reason))
