# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that eats all memory of its VM."""

import os

import pytest

pytestmark = pytest.mark.skipif(
    "FAPITEST_VM" not in os.environ, reason="this would take all memory of the machine it runs on"
)


def test_before():
    pass


def test_out_of_memory():
    eaten = []
    while True:
        eaten.append(os.urandom(1 << 20))


def test_after():
    pass
