# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets QEMU run as nobody when the run is root's: who breaks out of it is not root of the host."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

USER = "nobody"


class Identity(NamedTuple):
    """Whom QEMU runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options of setpriv(1) that make a program run as this."""
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        return [f"--reuid={self.uid}", f"--regid={self.gid}", groups, "--inh-caps=-all", "--no-new-privs"]


def identity(*, directory: Path, device: Path | None) -> Identity | None:
    """Return whom QEMU shall run as: None to stay what we are.

    `directory` is where its sockets are, `device` one that it must open. Who is not root stays what he is; so does root
    where there is no such user, or where that user could not reach the directory.
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
    """Open a file that QEMU shall read wherever it lies, and return the descriptor to hand on. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid() == 0:
        os.fchmod(descriptor, 0o644)
    return descriptor


def inherited(descriptor: int) -> str:
    """Return the path at which a program finds a descriptor that it has inherited."""
    return f"/proc/self/fd/{descriptor}"
