# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps that a forked child takes to drop privilege; see helpers.children.in_child.

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
"""A function that a child calls before its own function."""

NOBODY = 65534
"""The user and group that `unprivileged` becomes."""

_HALF = 0xFFFFFFFF
_CAPABILITY_VERSION_3 = 0x20080522


def unprivileged() -> None:
    """Become user and group 65534, without supplementary groups and capabilities."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # The change of user makes the process undumpable, and then root owns its /proc/self files: proc(5).
    syscall("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)


def user(uid: int) -> Step:
    """Return a step that becomes another user and keeps every capability: limits are counted per user."""

    def become() -> None:
        syscall("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(uid, uid, uid)
        _change_capabilities(lambda _, permitted: (permitted, permitted))

    return become


def without(*capabilities: Capability) -> Step:
    """Return a step that removes capabilities from the effective and permitted sets with a raw capset(2)."""

    dropped = sum(1 << capability for capability in capabilities)

    def drop() -> None:
        _change_capabilities(lambda effective, permitted: (effective & ~dropped, permitted & ~dropped))

    return drop


def user_namespace(also: int = 0) -> Step:
    """Return a step into a new user namespace, as its root; `also` are CLONE_NEW* flags of namespaces that it owns.

    Only the caller's own user and group are mapped: user_namespaces(7).
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
