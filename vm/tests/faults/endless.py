# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that never ends by itself, for runs that are interrupted from outside."""

import os
import threading

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this never ends")


def test_before():
    pass


def test_endless():
    threading.Event().wait()


def test_after():
    pass
