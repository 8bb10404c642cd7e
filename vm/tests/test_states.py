# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states: which ones are kept, and the conversation with QEMU about them."""

import os
import socket
import threading
from pathlib import Path

import pytest

from vm import machine, state
from vm.errors import VmError


def test_the_oldest_states_of_the_same_kernel_go(tmp_path):
    """ref-6.12 and ref-6.12-debug are two kernels, although one name is a prefix of the other."""
    names = [f"ref-6.12-{key:016x}" for key in range(5)]
    others = ["ref-6.12-debug-0000000000000000", "6.12-0000000000000000"]
    for age, name in enumerate([*names, *others]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (age, age))
    machine._forget_states(tmp_path / names[-1])
    kept = names[-machine.STATES_KEPT :]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, *others])


def test_a_qemu_that_ends_while_it_is_greeted_leaves_nothing_open(tmp_path):
    before = set(Path("/proc/self/fd").iterdir())
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "monitor"))
        server.listen()

        def end() -> None:
            server.accept()[0].close()

        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises((VmError, OSError)):
            state.Monitor(tmp_path / "monitor")
        ending.join()
    assert set(Path("/proc/self/fd").iterdir()) == before
