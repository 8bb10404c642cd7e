# SPDX-License-Identifier: GPL-2.0-or-later
"""Every word of flags, every bit and pair of bits of the mask, for every kind of group, against one table."""

import ctypes
import itertools
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.children import in_child
from helpers.contract import known_issues
from helpers.credentials import unprivileged
from helpers.errors import OK, Deviation, errno_name, hold_to_rules
from helpers.fanotify import FanotifyGroup
from helpers.features import has
from helpers.filesystems import mount_point
from helpers.requirements import features_of, requires
from helpers.syscalls import bind
from helpers.uapi import (
    AT_FDCWD,
    FAN_CLASS_CONTENT,
    FAN_CLASS_NOTIF,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOSE,
    FAN_CREATE,
    FAN_MARK_ADD,
    FAN_MARK_DONT_FOLLOW,
    FAN_MARK_EVICTABLE,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_FLUSH,
    FAN_MARK_IGNORE,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MARK_ONLYDIR,
    FAN_MARK_REMOVE,
    FAN_MNT_ATTACH,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
    Init,
    Mark,
    Mask,
)
from suites.fanotify_mark import rules
from suites.fanotify_mark.rules import (
    ORDER,
    RULES,
    TYPES,
    Before,
    Group,
    Known,
    Target,
    broken,
    expected,
    known_here,
)
from suites.fanotify_mark.targets import look_at

NO_DESCRIPTOR = 1 << 20

MODES = [
    FAN_CLASS_NOTIF,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_REPORT_PIDFD,
    FAN_REPORT_FID,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID | FAN_REPORT_DIR_FID,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID | FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_MNT,
]
USER = Group("FAN_REPORT_FID-of-a-user", int(FAN_REPORT_FID), admin=False)
GROUPS = [
    *(Group(str(mode), int(mode)) for mode in MODES),
    Group("no-descriptor", open=False),
    Group("no-group", fanotify=False),
    USER,
]

FILE = Target("file")
DIRECTORY = Target("directory", directory=True)
LINK = Target("link", stored=False, leads_to=DIRECTORY)
NOTHING = Target("nothing", there=False)

INSIDE_THE_KERNEL = [
    pytest.param("proc", "/proc/self/status", id="procfs-file"),
    pytest.param("proc", "/proc/self", id="procfs-directory"),
    pytest.param("nsfs", "/proc/self/ns/mnt", id="mount-namespace"),
    pytest.param("nsfs", "/proc/self/ns/net", id="network-namespace"),
    pytest.param("pipefs", "/proc/self/fd/{pipe}", id="pipe"),
    pytest.param("sockfs", "/proc/self/fd/{socket}", id="socket"),
]

NEW = Before()
KINDS = [
    Mark(0),
    FAN_MARK_IGNORED_MASK,
    FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_MARK_IGNORE,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_EVICTABLE,
]
EVENTS = [event for event in Mask if event.bit_count() == 1]

PANIC = "suites/fanotify_mark/test_objects.py::test_mount_namespace[/-EINVAL]"
"""The test of the one call by which some kernels panic."""

Word = tuple[Before, int, int]
Sweep = tuple[Target, list[Word]]


def words(befores: Iterable[Before], flags: Iterable[int], masks: Iterable[int]) -> list[Word]:
    """Return the product, as plain integers: there are many words, and the arithmetic of enums is slow."""
    return list(itertools.product(befores, map(int, flags), map(int, masks)))


def each_of(*choices: Iterable[Mark]) -> list[int]:
    """Return every choice of one flag from each."""
    return [int(sum(flags)) for flags in itertools.product(*choices)]


COMMANDS = [FAN_MARK_ADD, FAN_MARK_REMOVE, FAN_MARK_FLUSH]
MARK_TYPES = [FAN_MARK_INODE, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM, FAN_MARK_MNTNS]
MODIFIERS = [
    (Mark(0), flag)
    for flag in (
        FAN_MARK_DONT_FOLLOW,
        FAN_MARK_ONLYDIR,
        FAN_MARK_IGNORED_MASK,
        FAN_MARK_IGNORED_SURV_MODIFY,
        FAN_MARK_EVICTABLE,
        FAN_MARK_IGNORE,
    )
]
CHANGES = each_of([FAN_MARK_ADD], MARK_TYPES, KINDS) + each_of([FAN_MARK_REMOVE, FAN_MARK_FLUSH], MARK_TYPES)
BEFORES = [
    Before(int(flags), int(mask))
    for flags, mask in itertools.product(KINDS, [FAN_OPEN | FAN_ONDIR, FAN_PRE_ACCESS])
]
UNKNOWN_EVENTS = [1 << bit for bit in range(64) if 1 << bit not in EVENTS]
PAIRS_OF_EVENTS = [one | other for one, other in itertools.combinations(EVENTS, 2)]

EVERY_WORD = [
    (LINK, words([NEW], [*range(1 << 11), *(FAN_MARK_ADD | 1 << bit for bit in range(32))], [FAN_OPEN])),
]
EVERY_MASK = [
    (LINK, words([NEW], each_of([FAN_MARK_ADD, FAN_MARK_REMOVE], MARK_TYPES, *MODIFIERS), [FAN_OPEN])),
    (FILE, words([NEW], CHANGES, [0, *EVENTS])),
    (FILE, words([NEW], COMMANDS, UNKNOWN_EVENTS)),
    (FILE, words([NEW], each_of([FAN_MARK_ADD], MARK_TYPES), PAIRS_OF_EVENTS)),
    (FILE, words(BEFORES, CHANGES, [FAN_OPEN, FAN_CLOSE | FAN_ONDIR, FAN_PRE_ACCESS])),
    (DIRECTORY, words([NEW], CHANGES, [0, *EVENTS])),
    (NOTHING, words([NEW], CHANGES, [FAN_OPEN, FAN_MNT_ATTACH])),
]
EXAMPLES = words(
    [NEW],
    CHANGES,
    [
        FAN_OPEN,
        FAN_OPEN | FAN_ONDIR,
        FAN_CREATE,
        FAN_RENAME,
        FAN_OPEN_PERM,
        FAN_PRE_ACCESS,
        FAN_MNT_ATTACH,
    ],
)


def deviations(
    known: Known, group: Group, fd: int, target: Target, path: bytes, words: Iterable[Word]
) -> Iterator[Deviation]:
    """Make the calls, each on an object without other marks, and tell which answers the rules do not give."""
    call = bind("fanotify_mark", ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p)
    spare_the_kernel = (
        group.init & FAN_REPORT_MNT and not target.mount_namespace and known_issues.panics(PANIC)
    )
    for before, flags, mask in words:
        mark_type = flags & TYPES
        if spare_the_kernel and mark_type == rules.FAN_MARK_MNTNS:
            continue
        if (
            before.mask
            and call(fd, rules.FAN_MARK_ADD | mark_type | before.flags, before.mask, AT_FDCWD, path) != OK
        ):
            continue
        answer = -call(fd, flags, mask, AT_FDCWD, path)
        if before.mask or (answer == OK and flags & rules.FAN_MARK_ADD):
            call(fd, rules.FAN_MARK_FLUSH | mark_type, 0, AT_FDCWD, None)
        wanted, _ = expected(known, group, target, before, flags, mask)
        if answer != wanted:
            behaviour = broken(known, group, target, before, flags, mask, answer)
            there = f" that has {Mark(before.flags)}, {Mask(before.mask)}" if before.mask else ""
            call_made = f"{group.name}: {Mark(flags)}, {Mask(mask)} on a {target.name}{there}"
            answers = f"expected {errno_name(wanted)}, answered {errno_name(answer)}"
            yield Deviation(behaviour, f"{call_made}: {answers}")


def sweep(known: Known, group: Group, sweeps: Iterable[tuple[Target, Path, list[Word]]]) -> list[Deviation]:
    """Make the group, and return all that deviates."""
    with ExitStack() as opened:
        fd = descriptor(group, opened)
        return [
            deviation
            for target, path, words in sweeps
            for deviation in deviations(known, group, fd, target, os.fsencode(path), words)
        ]


def descriptor(group: Group, opened: ExitStack) -> int:
    """Return what to pass as the group's descriptor."""
    if not group.open:
        return NO_DESCRIPTOR
    if not group.fanotify:
        return opened.enter_context(tempfile.TemporaryFile()).fileno()
    return opened.enter_context(FanotifyGroup(group.init)).fd


SWEEPS: dict[str, list[Sweep]] = {"every-word-of-flags": EVERY_WORD, "every-mask": EVERY_MASK}
"""By name: a report shows the values of parameters, and these are thousands of words."""
CASES = [
    pytest.param(GROUPS[0], "every-word-of-flags", id="every-word-of-flags"),
    *(pytest.param(group, "every-mask", id=f"{group.name}-every-mask") for group in GROUPS),
]
EVERY_RULE = pytest.mark.behaviour(*dict.fromkeys([*(rule.behaviour for rule in RULES), ORDER]))


@EVERY_RULE
@pytest.mark.parametrize(("group", "words"), CASES)
@requires(lambda group: Init(group.init))
def test_rules(group: Group, words: str, ext4_dir: Path) -> None:
    (ext4_dir / FILE.name).touch()
    (ext4_dir / DIRECTORY.name).mkdir()
    (ext4_dir / LINK.name).symlink_to(DIRECTORY.name)
    known, steps = known_here(), [] if group.admin else [unprivileged]
    calls = [(target, ext4_dir / target.name, made) for target, made in SWEEPS[words]]
    hold_to_rules(in_child(lambda: sweep(known, group, calls), *steps, deadline=30))


@EVERY_RULE
@pytest.mark.parametrize("filesystem", ["tmpfs", "btrfs-subvolume", "overlay"], indirect=True)
def test_rules_on_other_filesystems(filesystem: str, filesystem_dir: Path) -> None:
    target = look_at(filesystem_dir, filesystem, root=mount_point(filesystem_dir))
    hold_to_rules(deviations_of_every_group(target, filesystem_dir))


@EVERY_RULE
@pytest.mark.parametrize(("filesystem", "path"), INSIDE_THE_KERNEL)
def test_rules_inside_the_kernel(filesystem: str, path: str) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    with reader, writer, socket.socket() as unconnected:
        shown = Path(path.format(pipe=reader.fileno(), socket=unconnected.fileno()))
        hold_to_rules(deviations_of_every_group(look_at(shown, filesystem), shown))


def deviations_of_every_group(target: Target, path: Path) -> list[Deviation]:
    """Make each call of `EXAMPLES` with each group whose flags the kernel knows."""
    known = known_here()
    groups = [group for group in GROUPS if group.admin and all(map(has, features_of(Init(group.init))))]
    return [deviation for group in groups for deviation in sweep(known, group, [(target, path, EXAMPLES)])]
