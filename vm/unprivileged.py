# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs QEMU as nobody if this process is root, so that an escape from the VM does not give root on the host."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

USER = "nobody"


class Identity(NamedTuple):
    """The user that QEMU runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options of setpriv(1) that run a program as this user."""
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        return [f"--reuid={self.uid}", f"--regid={self.gid}", groups, "--inh-caps=-all", "--no-new-privs"]


def identity(*, directory: Path, device: Path | None) -> Identity | None:
    """Return the user for QEMU, or None to run it as the current user.

    `directory` is that of its sockets, `device` one that it must open. The user only changes from root to nobody, if
    nobody exists and can reach the directory.
    """
    if os.geteuid() != 0 or not all(_reachable(directory)):
        return None
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return None
    groups = (device.stat().st_gid,) if device and device.exists() else ()
    return Identity(user.pw_uid, user.pw_gid, groups)


def _reachable(directory: Path) -> Iterator[bool]:
    for above in directory.absolute().parents:
        yield bool(above.stat().st_mode & stat.S_IXOTH)


def opened(path: Path) -> int:
    """Open a file that QEMU may not be able to open itself; return the descriptor to pass to it. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid() == 0:
        os.fchmod(descriptor, 0o644)
    return descriptor


def inherited(descriptor: int) -> str:
    """Return the path by which a program can open a descriptor that it has inherited."""
    return f"/proc/self/fd/{descriptor}"
