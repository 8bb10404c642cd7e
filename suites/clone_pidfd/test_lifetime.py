# SPDX-License-Identifier: GPL-2.0-or-later
"""What poll tells of the child while it lives, when it is a zombie, and when it is gone."""

import pytest

from helpers.features import Feature, has
from helpers.pidfd import poll
from helpers.uapi import POLLHUP, POLLIN, Poll
from suites.clone_pidfd.children import child_with_pidfd


@pytest.mark.behaviour("CLONE-POLL")
def test_poll():
    # POLLHUP came with the same release as pidfds of threads, 6.9.
    gone = POLLIN | POLLHUP if has(Feature.PIDFD_THREAD) else POLLIN
    with child_with_pidfd() as (child, fd):
        assert poll(fd) == Poll(0)
        child.exit()
        assert poll(fd) == POLLIN
        child.reap()
        assert poll(fd) == gone
