# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that the kernel fails, and during which it gets tainted too; what its log says belongs to it."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this taints the kernel it runs on")
TAINT_SOFTLOCKUP = 1 << 14  # Documentation/admin-guide/tainted-kernels.rst


def test_before():
    Path("/dev/kmsg").write_text("said before\n")


def test_both():
    Path("/dev/kmsg").write_text("said meanwhile\n")
    Path("/proc/sys/kernel/tainted").write_text(str(TAINT_SOFTLOCKUP))
    print("written meanwhile")
    answer = str(os.getuid())
    assert answer == "EINVAL"
