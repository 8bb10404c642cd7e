# SPDX-License-Identifier: GPL-2.0-or-later
"""Pidfds that a socket gave."""

import os

from helpers import fdinfo


def assert_pidfd_of(pid, fd):
    """Hold a pidfd to be of this process, and close it."""
    try:
        assert fdinfo.read_pidfd(fd).pid == pid
    finally:
        os.close(fd)
