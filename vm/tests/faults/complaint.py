# SPDX-License-Identifier: GPL-2.0-or-later
"""A test during which the kernel gets tainted; the one after it is innocent."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this taints the kernel it runs on")
TAINT_WARN = 1 << 9  # Documentation/admin-guide/tainted-kernels.rst


def test_before():
    pass


def test_taint():
    Path("/proc/sys/kernel/tainted").write_text(str(TAINT_WARN))


def test_user_space_may_say_bug():
    Path("/dev/kmsg").write_text("BUG: said by a program, not by the kernel")


def test_after():
    pass
