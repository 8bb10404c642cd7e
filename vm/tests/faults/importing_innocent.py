# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands beside modules that can not be imported."""


def test_innocent():
    pass
