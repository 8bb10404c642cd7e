# SPDX-License-Identifier: GPL-2.0-or-later
"""The hook through which this room tells how far it is; whoever wants to show that implements it."""

from __future__ import annotations

from enum import StrEnum


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

    `kernel` is the name that results have too, or "kernels" while none is known yet; `vm` counts the VMs of the kernel
    in this run, and is 0 when it is about none of them; `detail` is a few words, or empty.
    It may be called in any thread. `detail` may quote a guest.
    """
