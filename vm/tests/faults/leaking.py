# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that leaves a process behind; which of a module's tests did is not known when the module ends."""

import os

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this leaves a process behind")


def test_before():
    pass


def test_leaves_a_process():
    os.posix_spawn("/bin/sleep", ["sleep", "1000"], {}, setsid=True)
