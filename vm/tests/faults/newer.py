# SPDX-License-Identifier: GPL-2.0-or-later
"""A test that a kernel fails from 7.0 on, as if its behaviour had changed there."""

import os

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this is about the kernel of a VM")


def test_as_it_was():
    assert int(os.uname().release.partition(".")[0]) < 7
