# SPDX-License-Identifier: GPL-2.0-or-later
"""More tests than one VM should be left alone with."""

import pytest


@pytest.mark.parametrize("number", range(600))
def test_one_of_many(number):
    pass
