# SPDX-License-Identifier: GPL-2.0-or-later
"""The hooks through which this room tells what is planned and how far it is; whoever needs that implements them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a guest pays for every import
    from helpers.contract import manifest


class State(StrEnum):
    """What is going on with a kernel, or with one of its VMs; the values are words for people."""

    WAITING = "waiting"
    """For a place among the VMs that may run at once."""
    PREPARING = "preparing"
    """Kernels are asked for, fetched, unpacked or built; `detail` says which."""
    BOOTING = "booting"
    COLLECTING = "collecting"
    """The VM is ready, and pytest in it looks for its tests."""
    RUNNING = "running"
    ENDED = "ended"
    """It has done what it was for."""
    LOST = "lost"
    """It came to nothing, or ended before its time; `detail` says why."""


def pytest_kernel_state(kernel: str, vm: int, state: State, detail: str) -> None:
    """A kernel, or a VM of it, is in another state, or there is more to say about the state that it is in.

    `kernel` is the name that results have too, "kernels" while none is known yet, or another machine that gets what VMs
    need; `vm` counts the VMs of the kernel
    in this run, and is 0 when it is about none of them; `detail` is a few words, or empty.
    It may be called in any thread. `detail` may quote a guest.
    """


def pytest_kernel_identified(kernel: manifest.Kernel) -> None:
    """A kernel is to be tested in this run; of one that can not be had nothing is known but its name."""


def pytest_kernel_planned(kernel: str, tests: Mapping[str, Sequence[str]]) -> None:
    """It is known which tests are to run on a kernel: their node ids and the behaviours that they verify.

    It may be called again for another VM of the same kernel. The texts may be a guest's.
    """
