# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states: which are kept when another one comes."""

import os

from vm import machine


def test_the_oldest_states_of_the_same_kernel_go(tmp_path):
    """ref-6.12 and ref-6.12-debug are two kernels, though one's name begins with the other's."""
    names = [f"ref-6.12-{key:016x}" for key in range(5)]
    others = ["ref-6.12-debug-0000000000000000", "6.12-0000000000000000"]
    for age, name in enumerate([*names, *others]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (age, age))
    machine._forget_states(tmp_path / names[-1])
    kept = names[-machine.STATES_KEPT :]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, *others])
