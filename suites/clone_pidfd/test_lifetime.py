# SPDX-License-Identifier: GPL-2.0-or-later
"""What poll tells of the child while it lives, when it is a zombie, and when it is gone."""

import pytest

from helpers.changes import changed_by
from helpers.pidfd import poll
from helpers.uapi import PIDFD_THREAD, POLLHUP, POLLIN, Poll
from suites.clone_pidfd.children import child_with_pidfd


@pytest.mark.behaviour("CLONE-POLL")
@changed_by(PIDFD_THREAD, before=POLLIN, after=POLLIN | POLLHUP)  # of the same release, 6.9
def test_poll(answer):
    with child_with_pidfd() as (child, fd):
        assert poll(fd) == Poll(0)
        child.exit()
        assert poll(fd) == POLLIN
        child.reap()
        assert poll(fd) == answer
