# SPDX-License-Identifier: GPL-2.0-or-later
"""Pidfds that a socket gave."""

from helpers import fdinfo
from helpers.descriptors import closing


def assert_pidfd_of(pid, fd):
    """Hold a pidfd to be of this process, and close it."""
    with closing(fd):
        assert fdinfo.read_pidfd(fd).pid == pid
