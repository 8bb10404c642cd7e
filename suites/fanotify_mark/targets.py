# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rules need to know of an object, asked of other calls: stat(2), statfs(2), name_to_handle_at(2)."""

import stat
from errno import ENODEV, EOPNOTSUPP, EXDEV
from pathlib import Path

from helpers.errors import OK, outcome
from helpers.features import Feature, has
from helpers.handles import fsid, is_comparable, name_to_handle
from helpers.uapi import AT_SYMLINK_FOLLOW
from suites.fanotify_mark.rules import Target

NO_FSID = (0, 0)

INSIDE_THE_KERNEL = {"pipefs", "sockfs"}
"""Filesystems which no user can mount (SB_NOUSER)."""
WITH_PRE_CONTENT_EVENTS = {"ext4", "xfs", "btrfs", "btrfs-subvolume"}
"""Filesystems which have opted in to them (SB_I_ALLOW_HSM)."""
WITHOUT_PERMISSION_EVENTS = {"proc"}
"""Filesystems which have opted out of them (FS_DISALLOW_NOTIFY_PERM)."""


def look_at(path: Path, filesystem: str, root: Path | None = None) -> Target:
    """Return what the rules need to know of what is behind a path; `root` is the filesystem's, if it has one."""
    mode = path.stat().st_mode
    inode, whole = handles(path, root or path)
    return Target(
        str(path),
        directory=stat.S_ISDIR(mode),
        stored=stat.S_ISDIR(mode) or stat.S_ISREG(mode),
        mount_namespace=path.is_symlink() and str(path.readlink()).startswith("mnt:"),
        pre_content=filesystem in WITH_PRE_CONTENT_EVENTS,
        permission=filesystem not in WITHOUT_PERMISSION_EVENTS,
        mounted=filesystem not in INSIDE_THE_KERNEL,
        inode=inode,
        whole=whole,
    )


def handles(path: Path, root: Path) -> tuple[int, int]:
    """Return what a group that reports file handles is answered about the inode, and about the whole.

    Whoever reads a handle must be able to tell the filesystem by its fsid, and to compare the handle with others;
    where the event can be about any inode, also to open it.
    """
    fsid_answer = ENODEV if fsid(path) == NO_FSID else OK if fsid(path) == fsid(root) else EXDEV
    opened = outcome(name_to_handle, path, AT_SYMLINK_FOLLOW) == OK
    compared = opened or is_comparable(path)
    # 30ad1938326b ("fanotify: allow "weak" fsid when watching a single filesystem"), 6.8
    inode = OK if fsid_answer and has(Feature.WEAK_FSID) else fsid_answer
    return inode or (OK if compared else EOPNOTSUPP), fsid_answer or (OK if opened else EOPNOTSUPP)
