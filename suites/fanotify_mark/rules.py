# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules by which fanotify_mark(2) judges a call: one table, in the order in which the kernel asks.

`expected` is what the table says to one call. It knows no versions: only what this kernel was found to have,
the group, the object, and the mark which is already there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from errno import EBADF, EEXIST, EINVAL, EISDIR, ENODEV, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EXDEV
from functools import reduce
from operator import or_
from typing import NamedTuple

from helpers.errors import OK
from helpers.features import Feature, has
from helpers.uapi import Init, Mark, Mask

# Plain integers: there are many calls to judge, and the arithmetic of enums is slow.
ADD, REMOVE, FLUSH = int(Mark.ADD), int(Mark.REMOVE), int(Mark.FLUSH)
INODE, MOUNT, FILESYSTEM, MNTNS = int(Mark.INODE), int(Mark.MOUNT), int(Mark.FILESYSTEM), int(Mark.MNTNS)
IGNORED_MASK, IGNORE, SURVIVE = int(Mark.IGNORED_MASK), int(Mark.IGNORE), int(Mark.IGNORED_SURV_MODIFY)
EVICTABLE, ONLYDIR, DONT_FOLLOW = int(Mark.EVICTABLE), int(Mark.ONLYDIR), int(Mark.DONT_FOLLOW)
COMMANDS = ADD | REMOVE | FLUSH
TYPES = MNTNS
IGNORES = IGNORED_MASK | IGNORE

ONDIR, FS_ERROR, RENAME = int(Mask.ONDIR), int(Mask.FS_ERROR), int(Mask.RENAME)
MASK_FLAGS = int(Mask.ONDIR | Mask.EVENT_ON_CHILD)
MOUNT_EVENTS = int(Mask.MNT_ATTACH | Mask.MNT_DETACH)
PRE_ACCESS = int(Mask.PRE_ACCESS)
PERMISSION_EVENTS = int(Mask.OPEN_PERM | Mask.ACCESS_PERM | Mask.OPEN_EXEC_PERM | Mask.PRE_ACCESS)
ENTRY_EVENTS = int(Mask.MOVE | Mask.CREATE | Mask.DELETE | Mask.RENAME)
# These come without an open file: only a group which reports file handles can say what they are about.
HANDLE_EVENTS = ENTRY_EVENTS | int(Mask.ATTRIB | Mask.MOVE_SELF | Mask.DELETE_SELF | Mask.FS_ERROR)

CONTENT = int(Init.CLASS_CONTENT)
CLASSES = CONTENT | int(Init.CLASS_PRE_CONTENT)
MNT, NAME, TARGET_FID = int(Init.REPORT_MNT), int(Init.REPORT_NAME), int(Init.REPORT_TARGET_FID)
FIDS = int(Init.REPORT_FID | Init.REPORT_DIR_FID) | NAME | TARGET_FID

ALL_FLAGS = int(reduce(or_, Mark))
ALL_EVENTS = int(reduce(or_, Mask) & ~Mask.Q_OVERFLOW)

FEATURE_OF_FLAG = {EVICTABLE: Feature.EVICTABLE, IGNORE: Feature.IGNORE}
FEATURE_OF_EVENTS = {
    FS_ERROR: Feature.FS_ERROR,
    PERMISSION_EVENTS & ~PRE_ACCESS: Feature.PERMISSION_EVENTS,
    PRE_ACCESS: Feature.PRE_ACCESS,
    MOUNT_EVENTS: Feature.REPORT_MNT,
    RENAME: Feature.RENAME,
}
"""The flags and events which some kernels do not know."""


@dataclass(frozen=True)
class Known:
    """The flags and mask bits that a kernel knows, and whether it can mark mount namespaces."""

    flags: int = ALL_FLAGS
    mask: int = ALL_EVENTS
    mount_namespaces: bool = True


def known_here() -> Known:
    """Return what this kernel knows."""
    return Known(
        ALL_FLAGS & ~sum(flag for flag, feature in FEATURE_OF_FLAG.items() if not has(feature)),
        ALL_EVENTS & ~sum(events for events, feature in FEATURE_OF_EVENTS.items() if not has(feature)),
        has(Feature.REPORT_MNT),
    )


@dataclass(frozen=True)
class Group:
    """Whose descriptor is passed: that of a group with these flags, of something else, or none at all."""

    name: str
    init: int = 0
    open: bool = True
    fanotify: bool = True
    admin: bool = True
    """Whoever made it, and marks, has CAP_SYS_ADMIN."""


@dataclass(frozen=True)
class Target:
    """What a path leads to, and what can be had of its filesystem."""

    name: str
    there: bool = True
    directory: bool = False
    stored: bool = True
    """It is a directory or a regular file."""
    mount_namespace: bool = False
    leads_to: "Target | None" = None
    """Where the symbolic link leads, if it is one."""
    pre_content: bool = True
    """The filesystem has opted in to pre-content events."""
    permission: bool = True
    """The filesystem has not opted out of permission events."""
    mounted: bool = True
    """The filesystem is one that is mounted by users, not one inside the kernel, such as that of pipes."""
    inode: int = OK
    """What a group which reports file handles is answered about the inode."""
    whole: int = OK
    """What it is answered about the mount or the filesystem."""


class Before(NamedTuple):
    """The flags and the mask of the mark which the group already has on the object."""

    flags: int = 0
    mask: int = 0


class Call:
    """One call of fanotify_mark(2), with all that its answer depends on."""

    __slots__ = ("before", "command", "events", "flags", "group", "ignore", "known", "mask", "target", "type")

    def __init__(
        self, known: Known, group: Group, target: Target, before: Before, flags: int, mask: int
    ) -> None:
        self.known, self.group, self.before, self.flags, self.mask = known, group, before, flags, mask
        self.target = target if flags & DONT_FOLLOW or not target.leads_to else target.leads_to
        self.command, self.type, self.ignore = flags & COMMANDS, flags & TYPES, flags & IGNORES
        # fanotify_mark(2), FAN_MARK_IGNORED_MASK: the flags of the mask have no effect.
        self.events = mask & ~MASK_FLAGS if self.ignore == IGNORED_MASK else mask

    @property
    def init(self) -> int:
        """The flags of the group."""
        return self.group.init

    def adds(self, events: int) -> int:
        """Tell whether this adds one of these events."""
        return self.command == ADD and self.events & events

    @property
    def misplaced(self) -> bool:
        """Whether this asks a file for the events of directories, and insists on it."""
        insists = self.init & TARGET_FID or self.events & RENAME or self.flags & IGNORE
        return bool(
            insists
            and self.adds(ENTRY_EVENTS | MASK_FLAGS)
            and self.type == INODE
            and not self.target.directory
        )

    @property
    def handles(self) -> int:
        """What the filesystem answers to reporting file handles, if that is asked of it."""
        if not self.init & FIDS:
            return OK
        return self.target.inode if self.type == INODE else self.target.whole

    @property
    def mortal(self) -> bool:
        """Whether this adds an ignore mask of the newer kind which a modification would remove."""
        return self.command == ADD and self.ignore == IGNORE and not self.flags & SURVIVE

    @property
    def together(self) -> int:
        """The events of the mark if the call succeeds."""
        return self.events | (0 if self.before.flags & IGNORES else self.before.mask)


class Rule(NamedTuple):
    """The first rule that applies to a call gives its answer."""

    behaviour: str
    answer: int
    applies: Callable[[Call], object]


RULES = (
    # of the words alone
    Rule("MARK-HI32", EINVAL, lambda call: call.mask >> 32),
    Rule("MARK-FLAG-UNKNOWN", EINVAL, lambda call: call.flags & ~call.known.flags),
    Rule(
        "MARK-FLUSH-MNTNS-BEFORE", EINVAL, lambda call: call.type == MNTNS and not call.known.mount_namespaces
    ),
    Rule("MARK-CMD-EXACTLY-ONE", EINVAL, lambda call: call.command not in (ADD, REMOVE, FLUSH)),
    Rule("MARK-MASK0", EINVAL, lambda call: call.command != FLUSH and not call.mask),
    Rule("MARK-FLUSH-EXTRA", EINVAL, lambda call: call.command == FLUSH and call.flags & ~(FLUSH | TYPES)),
    Rule("MARK-MASK-UNKNOWN", EINVAL, lambda call: call.mask & ~call.known.mask),
    Rule("MARK-IGN-BOTH", EINVAL, lambda call: call.ignore == IGNORES),
    # of the group
    Rule("MARK-NOT-FANOTIFY", EBADF, lambda call: not call.group.open),
    Rule("MARK-NOT-FANOTIFY", EINVAL, lambda call: not call.group.fanotify),
    Rule("MARK-MNT-GROUP-MASK", EINVAL, lambda call: call.init & MNT and call.events & ~MOUNT_EVENTS),
    Rule("MARK-MNT-GROUP-MASK", EINVAL, lambda call: call.init & MNT and call.type != MNTNS),
    Rule("MARK-MNT-PLAIN-GROUP", EINVAL, lambda call: call.events & MOUNT_EVENTS and not call.init & MNT),
    Rule("MARK-MNT-PLAIN-GROUP", EINVAL, lambda call: call.type == MNTNS and not call.init & MNT),
    Rule("CAP-UNPRIV-MOUNT-MARK", EPERM, lambda call: call.type != INODE and not call.group.admin),
    Rule("MARK-PERM-NOTIF", EINVAL, lambda call: call.events & PERMISSION_EVENTS and not call.init & CLASSES),
    Rule("MARK-PRE-CLASS", EINVAL, lambda call: call.events & PRE_ACCESS and call.init & CONTENT),
    Rule("MARK-FSERROR-TYPE", EINVAL, lambda call: call.events & FS_ERROR and call.type != FILESYSTEM),
    Rule("MARK-EVICT-TYPE", EINVAL, lambda call: call.flags & EVICTABLE and call.type != INODE),
    Rule(
        "MARK-FID-EVENTS-NEED-FID", EINVAL, lambda call: call.events & HANDLE_EVENTS and not call.init & FIDS
    ),
    Rule("MARK-FID-EVENTS-MOUNT", EINVAL, lambda call: call.events & HANDLE_EVENTS and call.type == MOUNT),
    Rule("MARK-RENAME-NEEDS-NAME", EINVAL, lambda call: call.events & RENAME and not call.init & NAME),
    Rule("MARK-PRE-ONDIR", EINVAL, lambda call: call.events & PRE_ACCESS and call.events & ONDIR),
    Rule("MARK-FLUSH-PATH-IGNORED", OK, lambda call: call.command == FLUSH),
    # of the object
    Rule("MARK-ENOENT", ENOENT, lambda call: not call.target.there),
    Rule("MARK-ENOTDIR-ONLYDIR", ENOTDIR, lambda call: call.flags & ONLYDIR and not call.target.directory),
    Rule("MARK-PRE-FS", EOPNOTSUPP, lambda call: call.adds(PRE_ACCESS) and not call.target.pre_content),
    Rule("MARK-PRE-OBJECT", EINVAL, lambda call: call.adds(PRE_ACCESS) and not call.target.stored),
    Rule("MARK-PERM-PROC", EINVAL, lambda call: call.adds(PERMISSION_EVENTS) and not call.target.permission),
    Rule(
        "MARK-PSEUDO-MOUNT",
        EINVAL,
        lambda call: call.command == ADD and call.type != INODE and not call.target.mounted,
    ),
    Rule("MARK-RENAME-NOTDIR", ENOTDIR, lambda call: call.misplaced and call.events & RENAME),
    Rule("MARK-STRICT-DIR", ENOTDIR, lambda call: call.misplaced),
    Rule("MARK-FID-FSID", ENODEV, lambda call: call.handles == ENODEV),
    Rule("MARK-BTRFS-SUBVOL", EXDEV, lambda call: call.handles == EXDEV),
    Rule("MARK-FID-HANDLE", EOPNOTSUPP, lambda call: call.handles == EOPNOTSUPP),
    Rule("MARK-MNTNS-PATH", EINVAL, lambda call: call.type == MNTNS and not call.target.mount_namespace),
    Rule("MARK-IGN-NOSURV-DIR", EINVAL, lambda call: call.mortal and call.type != INODE),
    Rule("MARK-IGN-NOSURV-DIR", EISDIR, lambda call: call.mortal and call.target.directory),
    # of the mark
    Rule("MARK-REMOVE-UNMARKED", ENOENT, lambda call: call.command == REMOVE and not call.before.mask),
    Rule("MARK-REMOVE-OTHER-BIT", OK, lambda call: call.command == REMOVE),
    Rule(
        "MARK-EVICT-UPGRADE",
        EEXIST,
        lambda call: call.before.mask and call.flags & ~call.before.flags & EVICTABLE,
    ),
    Rule(
        "MARK-IGN-THEN-LEGACY",
        EEXIST,
        lambda call: call.ignore == IGNORED_MASK and call.before.flags & IGNORE,
    ),
    Rule("MARK-IGN-THEN-LEGACY", EEXIST, lambda call: call.mortal and call.before.flags & SURVIVE),
    Rule("MARK-PRE-ONDIR", EEXIST, lambda call: call.together & PRE_ACCESS and call.together & ONDIR),
    Rule("MARK-ADD", OK, lambda _: True),
)
"""Sources: those of the behaviours, and the order of do_fanotify_mark() in fs/notify/fanotify/fanotify_user.c."""


def expected(
    known: Known, group: Group, target: Target, before: Before, flags: int, mask: int
) -> tuple[int, str]:
    """Return the answer to one call, and the behaviour from which it follows."""
    call = Call(known, group, target, before, flags, mask)
    for behaviour, answer, applies in RULES:
        if applies(call):
            return answer, behaviour
    raise LookupError("the last rule applies to every call")
