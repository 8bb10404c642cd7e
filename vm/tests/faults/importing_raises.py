# SPDX-License-Identifier: GPL-2.0-or-later
"""Can not be imported."""

import os

if "FAPITEST_VM" in os.environ:
    raise ImportError("no such thing")


def test_never_collected():
    pass
