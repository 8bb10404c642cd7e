# SPDX-License-Identifier: GPL-2.0-or-later
"""Private mount namespaces, and procfs mounts in them.

These steps move a running process into a new mount namespace; `helpers.children.in_child` accepts them. A new pid
namespace needs a new process: `helpers.pidfd.clone_in`.
"""

import tempfile
from pathlib import Path

from helpers.filesystems import MS_PRIVATE, MS_REC, mount
from helpers.syscalls import syscall
from helpers.uapi import CLONE_NEWNS


def own_mounts() -> None:
    """Move this process into a new mount namespace; its mounts do not propagate to others."""
    syscall("unshare", CLONE_NEWNS, shown=lambda: f"unshare({CLONE_NEWNS})")
    mount("none", Path("/"), "none", MS_REC | MS_PRIVATE)


def own_proc() -> Path:
    """Mount a procfs of this process's pid namespace in a new mount namespace; return the mount point.

    The mount and its directory disappear with the process.
    """
    own_mounts()
    mount("none", Path("/tmp"), "tmpfs")  # noqa: S108 - no other process sees this one
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    mount("proc", directory, "proc")
    return directory
