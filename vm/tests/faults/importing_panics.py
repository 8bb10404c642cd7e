# SPDX-License-Identifier: GPL-2.0-or-later
"""Panics while it is imported."""

import os
from pathlib import Path

if "FAPITEST_VM" in os.environ:
    Path("/proc/sysrq-trigger").write_text("c")


def test_never_collected():
    pass
