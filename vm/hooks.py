# SPDX-License-Identifier: GPL-2.0-or-later
"""The hooks through which this package reports its plan and progress to other plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a guest pays for every import
    from helpers.contract import manifest


class State(StrEnum):
    """The state of a kernel, or of one of its VMs; the values are shown to users."""

    WAITING = "waiting"
    """For a free slot: the number of VMs that run at once is limited."""
    PREPARING = "preparing"
    """Kernels are looked up, fetched, unpacked or built; `detail` says which."""
    BOOTING = "booting"
    COLLECTING = "collecting"
    """The VM is ready, and pytest in it collects its tests."""
    RUNNING = "running"
    ENDED = "ended"
    """It has run all its tests."""
    LOST = "lost"
    """It failed to start, or ended too early; `detail` says why."""


def pytest_kernel_state(kernel: str, vm: int, state: State, detail: str) -> None:
    """A kernel or one of its VMs has entered another state, or there is more detail about its state.

    `kernel` is the kernel's name as in results, "kernels" while no name is known, or the name of another machine that
    is sent the files for VMs. `vm` is the number of the VM among those of this kernel in this run, or 0 if the state is
    not that of a VM. `detail` is a short text, or empty; it may quote a guest. The hook may be called in any thread.
    """


def pytest_kernel_identified(kernel: manifest.Kernel) -> None:
    """A kernel will be tested in this run; for one that could not be fetched only the name is known."""


def pytest_kernel_planned(kernel: str, tests: Mapping[str, Sequence[str]]) -> None:
    """The tests that will run on a kernel are known: their node ids and the behaviours that they verify.

    The hook may be called again for another VM of the same kernel. The texts may come from a guest.
    """
