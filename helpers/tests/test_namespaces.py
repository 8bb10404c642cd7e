# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces are new, and their mounts stay inside."""

import functools
import os
from pathlib import Path

import pytest

from helpers.actors import Actor
from helpers.children import in_child
from helpers.filesystems import mount
from helpers.namespaces import own_mounts, own_proc
from helpers.pidfd import clone_in
from helpers.uapi import CLONE_NEWPID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
new_pid_namespace = functools.partial(clone_in, CLONE_NEWPID)


def test_actor_is_the_first_process_of_its_namespace() -> None:
    with Actor(os.getpid, make=new_pid_namespace) as actor:
        assert actor.act() == 1 != actor.pid


def test_own_proc_shows_only_the_namespace() -> None:
    with Actor(
        lambda: sorted(entry.name for entry in own_proc().glob("[0-9]*")), make=new_pid_namespace
    ) as actor:
        assert actor.act() == ["1"]


def test_own_mounts_are_not_seen_outside(tmp_path: Path) -> None:
    def mount_one() -> bool:
        mount("none", tmp_path, "tmpfs")
        return tmp_path.is_mount()

    assert in_child(mount_one, own_mounts)
    assert not tmp_path.is_mount()
