# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sockets of these tests are like."""

import socket

import pytest


@pytest.fixture
def kind():
    """The kind of sockets, where a test does not say."""
    return socket.SOCK_STREAM
