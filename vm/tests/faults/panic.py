# SPDX-License-Identifier: GPL-2.0-or-later
"""A panic in the middle of a run. Collected only when named, and only ever run in a VM."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    "FAPITEST_VM" not in os.environ, reason="this would crash the machine it runs on"
)


@pytest.mark.parametrize("number", range(3))
def test_before(number):
    assert number < 3


def test_panic():
    Path("/proc/sysrq-trigger").write_text("c")


@pytest.mark.parametrize("number", range(3))
def test_after(number):
    assert number < 3
