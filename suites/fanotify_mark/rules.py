# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules by which fanotify_mark(2) judges a call: one table, in the order in which the kernel asks.

`expected` is what the table says to one call. It knows no versions: only what this kernel was found to have,
the group, the object, and the mark which is already there.

Where several errors apply to a call, no manual says which of them is answered: a kernel that answers another one breaks
the order alone, which is a behaviour of its own (`ORDER`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import EBADF, EEXIST, EINVAL, EISDIR, ENODEV, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EXDEV
from functools import reduce
from operator import or_
from typing import NamedTuple

from helpers import uapi
from helpers.errors import OK
from helpers.features import Feature, has
from helpers.requirements import flags_with_features
from helpers.uapi import Flags, Mark, Mask

# Plain integers: there are many calls to judge, and the arithmetic of enums is slow.
FAN_MARK_ADD = int(uapi.FAN_MARK_ADD)
FAN_MARK_DONT_FOLLOW = int(uapi.FAN_MARK_DONT_FOLLOW)
FAN_MARK_EVICTABLE = int(uapi.FAN_MARK_EVICTABLE)
FAN_MARK_FILESYSTEM = int(uapi.FAN_MARK_FILESYSTEM)
FAN_MARK_FLUSH = int(uapi.FAN_MARK_FLUSH)
FAN_MARK_IGNORE = int(uapi.FAN_MARK_IGNORE)
FAN_MARK_IGNORED_MASK = int(uapi.FAN_MARK_IGNORED_MASK)
FAN_MARK_IGNORED_SURV_MODIFY = int(uapi.FAN_MARK_IGNORED_SURV_MODIFY)
FAN_MARK_INODE = int(uapi.FAN_MARK_INODE)
FAN_MARK_MNTNS = int(uapi.FAN_MARK_MNTNS)
FAN_MARK_MOUNT = int(uapi.FAN_MARK_MOUNT)
FAN_MARK_ONLYDIR = int(uapi.FAN_MARK_ONLYDIR)
FAN_MARK_REMOVE = int(uapi.FAN_MARK_REMOVE)
FAN_ACCESS_PERM = int(uapi.FAN_ACCESS_PERM)
FAN_ATTRIB = int(uapi.FAN_ATTRIB)
FAN_CLASS_CONTENT = int(uapi.FAN_CLASS_CONTENT)
FAN_CLASS_PRE_CONTENT = int(uapi.FAN_CLASS_PRE_CONTENT)
FAN_CREATE = int(uapi.FAN_CREATE)
FAN_DELETE = int(uapi.FAN_DELETE)
FAN_DELETE_SELF = int(uapi.FAN_DELETE_SELF)
FAN_EVENT_ON_CHILD = int(uapi.FAN_EVENT_ON_CHILD)
FAN_FS_ERROR = int(uapi.FAN_FS_ERROR)
FAN_MNT_ATTACH = int(uapi.FAN_MNT_ATTACH)
FAN_MNT_DETACH = int(uapi.FAN_MNT_DETACH)
FAN_MOVE = int(uapi.FAN_MOVE)
FAN_MOVE_SELF = int(uapi.FAN_MOVE_SELF)
FAN_ONDIR = int(uapi.FAN_ONDIR)
FAN_OPEN_EXEC_PERM = int(uapi.FAN_OPEN_EXEC_PERM)
FAN_OPEN_PERM = int(uapi.FAN_OPEN_PERM)
FAN_PRE_ACCESS = int(uapi.FAN_PRE_ACCESS)
FAN_Q_OVERFLOW = int(uapi.FAN_Q_OVERFLOW)
FAN_RENAME = int(uapi.FAN_RENAME)
FAN_REPORT_DIR_FID = int(uapi.FAN_REPORT_DIR_FID)
FAN_REPORT_FID = int(uapi.FAN_REPORT_FID)
FAN_REPORT_MNT = int(uapi.FAN_REPORT_MNT)
FAN_REPORT_NAME = int(uapi.FAN_REPORT_NAME)
FAN_REPORT_TARGET_FID = int(uapi.FAN_REPORT_TARGET_FID)

COMMANDS = FAN_MARK_ADD | FAN_MARK_REMOVE | FAN_MARK_FLUSH
TYPES = FAN_MARK_MNTNS
IGNORES = FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORE

MASK_FLAGS = FAN_ONDIR | FAN_EVENT_ON_CHILD
MOUNT_EVENTS = FAN_MNT_ATTACH | FAN_MNT_DETACH
PERMISSION_EVENTS = FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM | FAN_PRE_ACCESS
ENTRY_EVENTS = FAN_MOVE | FAN_CREATE | FAN_DELETE | FAN_RENAME
# These come without an open file: only a group which reports file handles can say what they are about.
HANDLE_EVENTS = ENTRY_EVENTS | FAN_ATTRIB | FAN_MOVE_SELF | FAN_DELETE_SELF | FAN_FS_ERROR

CLASSES = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT
FIDS = FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID

ALL_FLAGS = int(reduce(or_, Mark))
ALL_EVENTS = int(reduce(or_, Mask) & ~FAN_Q_OVERFLOW)


@dataclass(frozen=True)
class Known:
    """The flags and mask bits that a kernel knows, and whether it can mark mount namespaces."""

    flags: int = ALL_FLAGS
    mask: int = ALL_EVENTS
    mount_namespaces: bool = True


def unknown(word: type[Flags]) -> int:
    """Return the flags of a word that this kernel does not know."""
    return sum(int(flag) for flag, feature in flags_with_features(word).items() if not has(feature))


def known_here() -> Known:
    """Return what this kernel knows."""
    return Known(
        ALL_FLAGS & ~unknown(Mark),
        ALL_EVENTS & ~unknown(Mask),
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
        self.target = target if flags & FAN_MARK_DONT_FOLLOW or not target.leads_to else target.leads_to
        self.command, self.type, self.ignore = flags & COMMANDS, flags & TYPES, flags & IGNORES
        # fanotify_mark(2), FAN_MARK_IGNORED_MASK: the flags of the mask have no effect.
        self.events = mask & ~MASK_FLAGS if self.ignore == FAN_MARK_IGNORED_MASK else mask

    @property
    def init(self) -> int:
        """The flags of the group."""
        return self.group.init

    def adds(self, events: int) -> int:
        """Tell whether this adds one of these events."""
        return self.command == FAN_MARK_ADD and self.events & events

    @property
    def misplaced(self) -> bool:
        """Whether this asks a file for the events of directories, and insists on it."""
        insists = (
            self.init & FAN_REPORT_TARGET_FID or self.events & FAN_RENAME or self.flags & FAN_MARK_IGNORE
        )
        return bool(
            insists
            and self.adds(ENTRY_EVENTS | MASK_FLAGS)
            and self.type == FAN_MARK_INODE
            and not self.target.directory
        )

    @property
    def handles(self) -> int:
        """What the filesystem answers to reporting file handles, if that is asked of it."""
        if not self.init & FIDS:
            return OK
        return self.target.inode if self.type == FAN_MARK_INODE else self.target.whole

    @property
    def mortal(self) -> bool:
        """Whether this adds an ignore mask of the newer kind which a modification would remove."""
        return (
            self.command == FAN_MARK_ADD
            and self.ignore == FAN_MARK_IGNORE
            and not self.flags & FAN_MARK_IGNORED_SURV_MODIFY
        )

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
        "MARK-FLUSH-MNTNS-BEFORE",
        EINVAL,
        lambda call: call.type == FAN_MARK_MNTNS and not call.known.mount_namespaces,
    ),
    Rule(
        "MARK-CMD-EXACTLY-ONE",
        EINVAL,
        lambda call: call.command not in (FAN_MARK_ADD, FAN_MARK_REMOVE, FAN_MARK_FLUSH),
    ),
    Rule("MARK-MASK0", EINVAL, lambda call: call.command != FAN_MARK_FLUSH and not call.mask),
    Rule(
        "MARK-FLUSH-EXTRA",
        EINVAL,
        lambda call: call.command == FAN_MARK_FLUSH and call.flags & ~(FAN_MARK_FLUSH | TYPES),
    ),
    Rule("MARK-MASK-UNKNOWN", EINVAL, lambda call: call.mask & ~call.known.mask),
    Rule("MARK-IGN-BOTH", EINVAL, lambda call: call.ignore == IGNORES),
    # of the group
    Rule("MARK-NOT-FANOTIFY", EBADF, lambda call: not call.group.open),
    Rule("MARK-NOT-FANOTIFY", EINVAL, lambda call: not call.group.fanotify),
    Rule(
        "MARK-MNT-GROUP-MASK", EINVAL, lambda call: call.init & FAN_REPORT_MNT and call.events & ~MOUNT_EVENTS
    ),
    Rule(
        "MARK-MNT-GROUP-MASK", EINVAL, lambda call: call.init & FAN_REPORT_MNT and call.type != FAN_MARK_MNTNS
    ),
    Rule(
        "MARK-MNT-PLAIN-GROUP",
        EINVAL,
        lambda call: call.events & MOUNT_EVENTS and not call.init & FAN_REPORT_MNT,
    ),
    Rule(
        "MARK-MNT-PLAIN-GROUP",
        EINVAL,
        lambda call: call.type == FAN_MARK_MNTNS and not call.init & FAN_REPORT_MNT,
    ),
    Rule("CAP-UNPRIV-MOUNT-MARK", EPERM, lambda call: call.type != FAN_MARK_INODE and not call.group.admin),
    Rule("MARK-PERM-NOTIF", EINVAL, lambda call: call.events & PERMISSION_EVENTS and not call.init & CLASSES),
    Rule(
        "MARK-PRE-CLASS", EINVAL, lambda call: call.events & FAN_PRE_ACCESS and call.init & FAN_CLASS_CONTENT
    ),
    Rule(
        "MARK-FSERROR-TYPE",
        EINVAL,
        lambda call: call.events & FAN_FS_ERROR and call.type != FAN_MARK_FILESYSTEM,
    ),
    Rule(
        "MARK-EVICT-TYPE",
        EINVAL,
        lambda call: call.flags & FAN_MARK_EVICTABLE and call.type != FAN_MARK_INODE,
    ),
    Rule(
        "MARK-FID-EVENTS-NEED-FID", EINVAL, lambda call: call.events & HANDLE_EVENTS and not call.init & FIDS
    ),
    Rule(
        "MARK-FID-EVENTS-MOUNT",
        EINVAL,
        lambda call: call.events & HANDLE_EVENTS and call.type == FAN_MARK_MOUNT,
    ),
    Rule(
        "MARK-RENAME-NEEDS-NAME",
        EINVAL,
        lambda call: call.events & FAN_RENAME and not call.init & FAN_REPORT_NAME,
    ),
    Rule("MARK-PRE-ONDIR", EINVAL, lambda call: call.events & FAN_PRE_ACCESS and call.events & FAN_ONDIR),
    Rule("MARK-FLUSH-PATH-IGNORED", OK, lambda call: call.command == FAN_MARK_FLUSH),
    # of the object
    Rule("MARK-ENOENT", ENOENT, lambda call: not call.target.there),
    Rule(
        "MARK-ENOTDIR-ONLYDIR",
        ENOTDIR,
        lambda call: call.flags & FAN_MARK_ONLYDIR and not call.target.directory,
    ),
    Rule("MARK-PRE-FS", EOPNOTSUPP, lambda call: call.adds(FAN_PRE_ACCESS) and not call.target.pre_content),
    Rule("MARK-PRE-OBJECT", EINVAL, lambda call: call.adds(FAN_PRE_ACCESS) and not call.target.stored),
    Rule("MARK-PERM-PROC", EINVAL, lambda call: call.adds(PERMISSION_EVENTS) and not call.target.permission),
    Rule(
        "MARK-PSEUDO-MOUNT",
        EINVAL,
        lambda call: call.command == FAN_MARK_ADD and call.type != FAN_MARK_INODE and not call.target.mounted,
    ),
    Rule("MARK-RENAME-NOTDIR", ENOTDIR, lambda call: call.misplaced and call.events & FAN_RENAME),
    Rule("MARK-STRICT-DIR", ENOTDIR, lambda call: call.misplaced),
    Rule("MARK-FID-FSID", ENODEV, lambda call: call.handles == ENODEV),
    Rule("MARK-BTRFS-SUBVOL", EXDEV, lambda call: call.handles == EXDEV),
    Rule("MARK-FID-HANDLE", EOPNOTSUPP, lambda call: call.handles == EOPNOTSUPP),
    Rule(
        "MARK-MNTNS-PATH",
        EINVAL,
        lambda call: call.type == FAN_MARK_MNTNS and not call.target.mount_namespace,
    ),
    Rule("MARK-IGN-NOSURV-DIR", EINVAL, lambda call: call.mortal and call.type != FAN_MARK_INODE),
    Rule("MARK-IGN-NOSURV-DIR", EISDIR, lambda call: call.mortal and call.target.directory),
    # of the mark
    Rule(
        "MARK-REMOVE-UNMARKED", ENOENT, lambda call: call.command == FAN_MARK_REMOVE and not call.before.mask
    ),
    Rule("MARK-REMOVE-OTHER-BIT", OK, lambda call: call.command == FAN_MARK_REMOVE),
    Rule(
        "MARK-EVICT-UPGRADE",
        EEXIST,
        lambda call: call.before.mask and call.flags & ~call.before.flags & FAN_MARK_EVICTABLE,
    ),
    Rule(
        "MARK-IGN-THEN-LEGACY",
        EEXIST,
        lambda call: call.ignore == FAN_MARK_IGNORED_MASK and call.before.flags & FAN_MARK_IGNORE,
    ),
    Rule(
        "MARK-IGN-THEN-LEGACY",
        EEXIST,
        lambda call: call.mortal and call.before.flags & FAN_MARK_IGNORED_SURV_MODIFY,
    ),
    Rule("MARK-PRE-ONDIR", EEXIST, lambda call: call.together & FAN_PRE_ACCESS and call.together & FAN_ONDIR),
    Rule("MARK-ADD", OK, lambda _: True),
)
"""Sources: those of the behaviours, and the order of do_fanotify_mark() in fs/notify/fanotify/fanotify_user.c."""

ORDER = "MARK-ERRNO-ORDER"
"""The behaviour that the order of the rules is."""


def expected(
    known: Known, group: Group, target: Target, before: Before, flags: int, mask: int
) -> tuple[int, str]:
    """Return the answer to one call, and the behaviour from which it follows."""
    rule = next(_applying(Call(known, group, target, before, flags, mask)))
    return rule.answer, rule.behaviour


def broken(
    known: Known, group: Group, target: Target, before: Before, flags: int, mask: int, answer: int
) -> str:
    """Return the behaviour that an unexpected answer breaks: the order, if another error that applies was answered."""
    first, *others = _applying(Call(known, group, target, before, flags, mask))
    return ORDER if answer != OK and answer in {rule.answer for rule in others} else first.behaviour


def _applying(call: Call) -> Iterator[Rule]:
    """Yield the rules that apply to a call, up to the first by which it succeeds."""
    for rule in RULES:
        if rule.applies(call):
            yield rule
            if rule.answer == OK:
                return
