# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that nothing inside the guest can end, and one that its time limit ends."""

import os
import signal
import threading

import pytest

pytestmark = pytest.mark.skipif(
    "FAPITEST_VM" not in os.environ, reason="this would stop the machine it runs on"
)


def test_before():
    pass


@pytest.mark.timeout(2)
def test_time_limit():
    threading.Event().wait()


def test_hang():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Event().wait()


def test_after():
    pass
