# SPDX-License-Identifier: GPL-2.0-or-later
"""A child has exactly the privileges that its steps leave."""

import os
import re
from pathlib import Path

import pytest

from helpers.children import in_child
from helpers.credentials import NOBODY, unprivileged, user, user_namespace, without
from helpers.uapi import CAP_SYS_ADMIN, CLONE_NEWNS, Capability

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="giving up root's privilege takes having it")


def capabilities() -> tuple[int, int]:
    """Return the effective and the permitted set of proc_pid_status(5)."""
    status = Path("/proc/self/status").read_text()
    effective, permitted = (
        re.search(rf"^{name}:\t(\w+)$", status, re.MULTILINE) for name in ("CapEff", "CapPrm")
    )
    assert effective
    assert permitted
    return int(effective[1], 16), int(permitted[1], 16)


def ids() -> tuple[tuple[int, int, int], tuple[int, int, int], list[int]]:
    return os.getresuid(), os.getresgid(), os.getgroups()


def namespaces() -> dict[str, Path]:
    return {name: Path(f"/proc/self/ns/{name}").readlink() for name in ("user", "mnt", "pid")}


def test_unprivileged() -> None:
    everyone = (NOBODY, NOBODY, NOBODY)
    assert in_child(ids, unprivileged) == (everyone, everyone, [])
    assert in_child(capabilities, unprivileged) == (0, 0)


def test_unprivileged_may_look_at_itself() -> None:
    assert in_child(lambda: Path("/proc/self/ns/mnt").readlink(), unprivileged)


@pytest.mark.parametrize("capability", Capability, ids=lambda capability: capability.name)
def test_without(capability: Capability) -> None:
    effective, permitted = capabilities()
    lost = 1 << capability
    assert in_child(capabilities, without(capability)) == (effective & ~lost, permitted & ~lost)


def test_another_user_with_every_capability() -> None:
    assert in_child(os.getresuid, user(1234)) == (1234, 1234, 1234)
    assert in_child(capabilities, user(1234)) == capabilities()


def test_user_namespace() -> None:
    inside, outside = in_child(namespaces, user_namespace(CLONE_NEWNS)), namespaces()
    assert inside["user"] != outside["user"]
    assert inside["mnt"] != outside["mnt"]
    assert inside["pid"] == outside["pid"]
    assert in_child(ids, user_namespace())[0] == (0, 0, 0)
    effective, permitted = in_child(capabilities, user_namespace())
    assert effective == permitted
    assert effective >> CAP_SYS_ADMIN & 1


def test_user_namespace_of_an_unprivileged_user() -> None:
    assert in_child(os.getuid, unprivileged, user_namespace()) == 0
