# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what can not be written as UTF-8."""

import pytest


def test_lone_surrogate():
    print("\udcff")
    pytest.fail("\udcff\0")


def test_after():
    pass
