# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps by which a forked child gives up privilege; see helpers.children.in_child.

in_child(probe, unprivileged)
in_child(probe, without(CAP_AUDIT_WRITE))
in_child(probe, user_namespace(CLONE_NEWNS))
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWUSER, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, Capability

Step = Callable[[], None]
"""What a child does to itself before it calls its function."""

NOBODY = 65534
"""The user and group that `unprivileged` becomes."""

_HALF = 0xFFFFFFFF
_CAPABILITY_VERSION_3 = 0x20080522


def unprivileged() -> None:
    """Become user and group 65534 without supplementary groups and without any capability."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # The change of user made the process undumpable, and its /proc/self files root's: proc(5).
    syscall("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)


def user(uid: int) -> Step:
    """Return a step which becomes another user and keeps every capability: limits are counted by user."""

    def become() -> None:
        syscall("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(uid, uid, uid)
        _change_capabilities(lambda _, permitted: (permitted, permitted))

    return become


def without(*capabilities: Capability) -> Step:
    """Return a step which removes capabilities from the effective and permitted sets with a raw capset(2)."""

    dropped = sum(1 << capability for capability in capabilities)

    def drop() -> None:
        _change_capabilities(lambda effective, permitted: (effective & ~dropped, permitted & ~dropped))

    return drop


def user_namespace(also: int = 0) -> Step:
    """Return a step into a new user namespace, as its root; `also` are further CLONE_NEW* namespaces it owns.

    The caller's own user and group are the only ones mapped: user_namespaces(7).
    """

    def enter() -> None:
        user, group = os.geteuid(), os.getegid()
        syscall("unshare", CLONE_NEWUSER | also)
        Path("/proc/self/setgroups").write_bytes(b"deny")
        Path("/proc/self/uid_map").write_bytes(b"0 %d 1" % user)
        Path("/proc/self/gid_map").write_bytes(b"0 %d 1" % group)

    return enter


def _change_capabilities(change: Callable[[int, int], tuple[int, int]]) -> None:
    header, sets = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), _CapabilitySets()
    syscall("capget", header, sets)
    low, high = sets.halves
    effective, permitted = change(low.effective | high.effective << 32, low.permitted | high.permitted << 32)
    for half, shift in ((low, 0), (high, 32)):
        half.effective, half.permitted = effective >> shift & _HALF, permitted >> shift & _HALF
    syscall("capset", header, sets)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int32))


class _CapabilityHalf(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("halves", _CapabilityHalf * 2),)
