# SPDX-License-Identifier: GPL-2.0-or-later
"""Mount and pid namespaces of a test's own.

A process comes into a new pid namespace when it is made (`helpers.pidfd.clone_in`). It moves into a mount
namespace of its own later, by these steps, which `helpers.children.in_child` takes too.
"""

import tempfile
from pathlib import Path

from helpers.filesystems import MS_PRIVATE, MS_REC, mount
from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWNS


def own_mounts() -> None:
    """Move this process into a mount namespace of its own, whose mounts nobody else gets to see."""
    syscall("unshare", CLONE_NEWNS, shown=lambda: f"unshare({CLONE_NEWNS})")
    mount("none", Path("/"), "none", MS_REC | MS_PRIVATE)


def own_proc() -> Path:
    """Mount a procfs of this process's pid namespace, in a mount namespace of its own; return where.

    The mount and its directory go away with the process.
    """
    own_mounts()
    mount("none", Path("/tmp"), "tmpfs")  # noqa: S108 - nobody else sees this one
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    mount("proc", directory, "proc")
    return directory
