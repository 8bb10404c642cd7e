# SPDX-License-Identifier: GPL-2.0-or-later
"""What this kernel can do, found out by calling it, and never by its version.

A probe alone would turn a regression into a skip. Two things prevent that. A feature has, where possible,
probes which take different ways through the kernel, and is there as soon as one of them answers: the tests
then hold the kernel to all of it. And a kernel is held against a baseline (helpers.baseline): a feature of
it which does not answer fails every test that requires it (helpers.requirements); one which answers and is
not there is new, which the report says. `python -m helpers.features` prints what answers, for a person to
review as a list.
"""

import contextlib
import ctypes
import fcntl
import functools
import os
import socket
import tempfile
from collections.abc import Callable
from errno import EBADF, EFAULT, EINVAL, ENODATA, ENOENT, ENOSYS, ENOTTY, EPERM, EREMOTE
from pathlib import Path

from helpers import baseline, fastpath, fdinfo, kernel_modules, proposals, queue_fd
from helpers.baseline import Feature as Feature  # noqa: PLC0414 - whoever asks for one finds it here
from helpers.children import fork, in_child
from helpers.contract import releases
from helpers.contract.releases import Release
from helpers.credentials import unprivileged, user_namespace
from helpers.descriptors import same_description
from helpers.errors import OK, outcome
from helpers.fanotify import FanotifyGroup, fanotify_mark
from helpers.filesystems import disk, mount, mounted, shut_down
from helpers.fuse import fuse
from helpers.handles import fd_to_handle
from helpers.permission import Requester
from helpers.pidfd import (
    Direction,
    clone,
    clone3,
    clone_in,
    clone_with_pidfd,
    get_info,
    get_namespace,
    own_pidfd,
    pidfd_open,
    pidfd_send_signal,
    process_mrelease,
    request,
)
from helpers.sockets import pass_pidfds, peer_pidfd
from helpers.syscalls import syscall
from helpers.uapi import (
    CLONE_AUTOREAP,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NNP,
    CLONE_PIDFD,
    FAN_ACCESS_PERM,
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_ENABLE_AUDIT,
    FAN_FS_ERROR,
    FAN_INFO,
    FAN_MARK_ADD,
    FAN_MARK_EVICTABLE,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_IGNORE,
    FAN_MARK_INODE,
    FAN_MARK_MNTNS,
    FAN_MARK_MOUNT,
    FAN_MNT_ATTACH,
    FAN_MODIFY,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    FAN_RESPONSE_INFO_AUDIT_RULE,
    PIDFD_GET_INFO,
    PIDFD_INFO_COREDUMP,
    PIDFD_INFO_EXIT,
    PIDFD_INFO_SIZE_VER0,
    PIDFD_INFO_SUPPORTED_MASK,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    CloneArgs,
    Info,
    PermissionResponse,
    ResponseInfoAuditRule,
)
from helpers.waiting import is_readable

_NO_GROUP = -1
_NO_EVENT = 12345
_PROBER = os.getpid()


class LostFeature(AssertionError):  # noqa: N818 - what happened
    """A feature which is in the kernel's baseline does not answer any more."""


@functools.cache
def has(feature: Feature) -> bool:
    """Tell whether the kernel has a feature; raise LostFeature if only the baseline says so."""
    __tracebackhide__ = True
    if os.getpid() != _PROBER:
        raise RuntimeError(f"{feature.name} must be asked for before a child gives up privilege")
    answers, held = _answers(feature), baseline.current()
    if not answers and feature in held.features:
        raise LostFeature(held.reproach(feature))
    if answers and held.features and feature not in held.features:
        _new.append(feature.name)
    return answers


def answers(name: str) -> bool:
    """Tell whether the kernel has the feature of this name, whatever the baseline says."""
    return _answers(Feature[name])


@functools.cache
def _answers(feature: Feature) -> bool:
    return any(probe() for probe in _PROBES[feature])


_new: list[str] = []


def new() -> list[str]:
    """Return the names of the features found since the last call which are not in the baseline."""
    found, _new[:] = _new[:], []
    return found


def is_certain(feature: Feature) -> bool:
    """Tell whether a kernel that has lost a feature would be told from one that never had it.

    Where the only probe is the call that tests assert, that takes a baseline which says that the feature is due.
    """
    facts = feature.facts
    return len(_PROBES[feature]) > 1 or bool(facts.since) or facts.core or facts.proposal


Probe = Callable[[], bool]


def _group(flags: int) -> Probe:
    return lambda: outcome(FanotifyGroup, flags) == OK


def _unprivileged_group(flags: int, answer: int) -> Probe:
    return lambda: in_child(lambda: outcome(FanotifyGroup, flags), unprivileged) == answer


def _admin_flag(flag: int) -> Probe:
    # Where everybody may have a group of file handles, a flag for administrators is EPERM, and an unknown one
    # EINVAL. Before, everything was EPERM.
    denied = _unprivileged_group(FAN_REPORT_FID | flag, EPERM)
    return lambda: _answers(Feature.UNPRIVILEGED_GROUPS) and denied()


def _mark(flags: int, mask: int) -> Probe:
    # Flags and mask are judged before the group's descriptor is looked up: a known bit leads to EBADF.
    return lambda: outcome(fanotify_mark, _NO_GROUP, FAN_MARK_ADD | flags, mask) == EBADF


def _userns_mark() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory)
        return in_child(lambda: _mark_own_mount(target), user_namespace(CLONE_NEWNS)) == OK


def _mark_own_mount(target: Path) -> int:
    mount("probe", target, "tmpfs")
    with FanotifyGroup(FAN_REPORT_FID) as group:
        return outcome(group.mark, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, target)


def _mark_without_fsid() -> bool:
    with (
        tempfile.TemporaryDirectory() as directory,
        fuse(Path(directory)),
        FanotifyGroup(FAN_REPORT_FID) as group,
    ):
        return outcome(group.mark, FAN_MARK_ADD, FAN_OPEN, directory) == OK


def _pidfd_of_reaped() -> bool:
    if not _answers(Feature.REPORT_PIDFD):
        return False
    with tempfile.NamedTemporaryFile() as file, FanotifyGroup(FAN_REPORT_PIDFD | FAN_NONBLOCK) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN, file.name)
        child = fork()
        if child == 0:
            os._exit(os.open(file.name, os.O_RDONLY) < 0)
        os.waitpid(child, 0)
        return group.read_one().pidfd >= 0


def _answer_with_info(fd: int, answer: int) -> Probe:
    rule = ResponseInfoAuditRule(type=FAN_RESPONSE_INFO_AUDIT_RULE, len=ctypes.sizeof(ResponseInfoAuditRule))
    message = bytes(PermissionResponse(fd, FAN_ALLOW | FAN_INFO)) + bytes(rule)

    def probe() -> bool:
        if not _answers(Feature.PERMISSION_EVENTS):
            return False
        with FanotifyGroup(FAN_CLASS_CONTENT) as group:
            return outcome(os.write, group.fd, message) == answer

    return probe


def _splice_is_reported() -> bool:
    """Tell whether splice(2) from one pipe to another is reported, which came with what a test looks at."""
    with tempfile.TemporaryDirectory() as name, FanotifyGroup(FAN_REPORT_FID) as group:
        fifo = Path(name) / "fifo"
        os.mkfifo(fifo)
        source, end = os.pipe()
        target = os.open(fifo, os.O_RDWR)
        try:
            if outcome(group.mark, FAN_MARK_ADD, FAN_MODIFY, fifo) != OK:
                return False
            os.write(end, b"x")
            os.splice(source, target, 1)
            return is_readable(group)
        finally:
            for fd in (source, end, target):
                os.close(fd)


def _shutdown_is_reported() -> bool:
    """Tell whether ext4 reports it; tests look at other filesystems, which report errors since then."""
    if not _answers(Feature.FS_ERROR):
        return False
    with tempfile.TemporaryDirectory() as name, FanotifyGroup(FAN_REPORT_FID) as group:
        with disk(Path(name), "ext4") as mount_point:
            group.mark(FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, mount_point)
            shut_down(mount_point)
        # Errors are reported by a kernel thread, for which unmounting waits.
        return is_readable(group)


def _reads_unasked(*, watched: bool) -> Probe:
    """Probe whether a directory that was opened before it was marked is read without permission.

    `watched` is whether something else on its filesystem was marked already.
    """
    mask = FAN_ACCESS_PERM | FAN_ONDIR

    def probe() -> bool:
        with contextlib.ExitStack() as stack:
            name = stack.enter_context(tempfile.TemporaryDirectory())
            directory = stack.enter_context(mounted("probe", Path(name) / "mount", "tmpfs"))
            group = stack.enter_context(FanotifyGroup(FAN_CLASS_CONTENT))
            (directory / "other").mkdir()
            if watched:
                group.mark(FAN_MARK_ADD, mask, directory / "other")
            fd = os.open(directory, os.O_RDONLY)
            stack.callback(os.close, fd)
            group.mark(FAN_MARK_ADD | FAN_MARK_MOUNT, mask, directory)
            reader = stack.enter_context(Requester(lambda: os.listdir(fd), keep=[fd]))  # noqa: PTH208
            return not reader.is_asked_for(group)

    return lambda: _answers(Feature.PERMISSION_EVENTS) and probe()


def _own_pidfd(call: Callable[[int], object], answer: int = OK) -> Probe:
    def probe() -> bool:
        with own_pidfd() as fd:
            return outcome(call, fd) == answer

    return probe


def _thread_pidfd() -> bool:
    return outcome(lambda: os.close(pidfd_open(os.getpid(), PIDFD_THREAD))) == OK


def _sockets(call: Callable[[socket.socket], object]) -> Probe:
    def probe() -> bool:
        one, other = socket.socketpair()
        with one, other:
            return outcome(call, one) == OK

    return probe


def _namespace(name: str) -> Probe:
    return _own_pidfd(lambda fd: os.close(get_namespace(fd, name)))


def _info(bit: Info) -> Probe:
    def probe() -> bool:
        if not _answers(Feature.PIDFD_INFO):
            return False
        with own_pidfd() as fd:
            return bool(get_info(fd, bit).mask & bit)

    return probe


def _info_checks_direction() -> bool:
    reads_only = request(PIDFD_GET_INFO, PIDFD_INFO_SIZE_VER0, Direction.FROM_KERNEL)
    with own_pidfd() as fd:
        return (
            _answers(Feature.PIDFD_INFO)
            and outcome(fcntl.ioctl, fd, reads_only, bytes(PIDFD_INFO_SIZE_VER0)) == ENOTTY
        )


def _info_of_reaped() -> bool:
    pid, fd = clone_with_pidfd(lambda: None)
    os.waitpid(pid, 0)
    try:
        return outcome(get_info, fd, PIDFD_INFO_EXIT) == OK
    finally:
        os.close(fd)


def _info_of_another_namespace() -> bool:
    with own_pidfd() as fd:
        child = clone_in(CLONE_NEWPID, lambda: os._exit(outcome(get_info, fd)))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == EREMOTE


def _clone3_knows(flag: int) -> Probe:
    # Where the pidfd goes is looked at last: with known flags NULL is EFAULT, and no child is made.
    return lambda: outcome(clone3, CloneArgs(flags=CLONE_PIDFD | flag)) == EFAULT


def _clone_checks_exit_signal() -> bool:
    # As above: a signal that is not looked at leads to EFAULT.
    return outcome(clone, CLONE_PIDFD | 65) == EINVAL


def _handlers_are_there() -> bool:
    table = proposals.fastpath()
    modules = [table.verdict_module, table.skip_all_module, table.skip_twin_module, table.subtree_module]
    return fastpath.detect() is fastpath.Presence.PRESENT and all(map(kernel_modules.find, modules))


_PROBES: dict[Feature, tuple[Probe, ...]] = {
    Feature.FANOTIFY: (lambda: outcome(FanotifyGroup) != ENOSYS,),
    Feature.PERMISSION_EVENTS: (_mark(FAN_MARK_INODE, FAN_OPEN_PERM),),
    Feature.ENABLE_AUDIT: (_group(FAN_ENABLE_AUDIT), _admin_flag(FAN_ENABLE_AUDIT)),
    Feature.UNPRIVILEGED_GROUPS: (
        _unprivileged_group(FAN_REPORT_FID, OK),
        Path("/proc/sys/fs/fanotify/max_user_groups").exists,
    ),
    Feature.REPORT_PIDFD: (_group(FAN_REPORT_PIDFD), _admin_flag(FAN_REPORT_PIDFD)),
    Feature.FS_ERROR: (_mark(FAN_MARK_FILESYSTEM, FAN_FS_ERROR),),
    # Both came with the same series, "Extend fanotify dirent events", and were back-ported together.
    Feature.REPORT_TARGET_FID: (_group(FAN_REPORT_DFID_NAME_TARGET), _mark(FAN_MARK_INODE, FAN_RENAME)),
    Feature.RENAME: (_group(FAN_REPORT_DFID_NAME_TARGET), _mark(FAN_MARK_INODE, FAN_RENAME)),
    Feature.EVICTABLE: (_mark(FAN_MARK_EVICTABLE, FAN_OPEN),),
    Feature.IGNORE: (_mark(FAN_MARK_IGNORE, FAN_OPEN),),
    Feature.FDINFO_INO: (lambda: "ino:" in fdinfo.read_text(0),),
    Feature.WEAK_FSID: (_mark_without_fsid,),
    Feature.REPORT_FD_ERROR: (_group(FAN_REPORT_FD_ERROR), _admin_flag(FAN_REPORT_FD_ERROR)),
    Feature.PRE_ACCESS: (_mark(FAN_MARK_INODE, FAN_PRE_ACCESS),),
    Feature.RESPONSE_INFO: (_answer_with_info(FAN_NOFD, OK), _answer_with_info(_NO_EVENT, ENOENT)),
    Feature.SHUTDOWN_ERROR: (_shutdown_is_reported,),
    Feature.SPLICE_EVENTS: (_splice_is_reported,),
    Feature.PERMISSION_AT_OPEN: (_reads_unasked(watched=False),),
    Feature.PERMISSION_BY_FILE: (_reads_unasked(watched=True),),
    Feature.PERMISSION_WATCHDOG: (Path("/proc/sys/fs/fanotify/watchdog_timeout").exists,),
    Feature.REPORT_MNT: (_group(FAN_REPORT_MNT), _mark(FAN_MARK_MNTNS, FAN_MNT_ATTACH)),
    Feature.PIDFD_THREAD: (
        _thread_pidfd,
        _own_pidfd(lambda fd: pidfd_send_signal(fd, 0, flags=PIDFD_SIGNAL_THREAD_GROUP)),
    ),
    Feature.KCMP: (lambda: outcome(same_description, (os.getpid(), 0), (os.getpid(), 0)) == OK,),
    # Without the option the calls are ENOSYS, before any of their arguments is looked at: syscalls(2).
    Feature.AIO: (lambda: outcome(syscall, "io_setup", 0, 0) != ENOSYS,),
    Feature.IO_URING: (lambda: outcome(syscall, "io_uring_setup", 0, 0) != ENOSYS,),
    Feature.PROCESS_MRELEASE: (lambda: outcome(process_mrelease, -1) == EBADF,),
    Feature.SOCKET_PIDFD: (_sockets(lambda one: os.close(peer_pidfd(one))), _sockets(pass_pidfds)),
    Feature.PIDFD_NAMESPACES: (_namespace("pid"), _namespace("uts")),
    Feature.PIDFD_INFO: (_own_pidfd(get_info),),
    Feature.PIDFD_HANDLES: (_own_pidfd(fd_to_handle),),
    Feature.PIDFD_INFO_EXIT: (_info_of_reaped,),
    Feature.PIDFD_SELF: (lambda: outcome(pidfd_send_signal, PIDFD_SELF_THREAD, 0) == OK,),
    Feature.PIDFD_INFO_COREDUMP: (_info(PIDFD_INFO_COREDUMP),),
    Feature.PIDFD_XATTRS: (_own_pidfd(lambda fd: os.removexattr(fd, "trusted.probe"), ENODATA),),
    Feature.PIDFD_SELF_MOVED: (lambda: outcome(pidfd_send_signal, PIDFD_SELF_THREAD_GROUP, 0) == OK,),
    Feature.PIDFD_INFO_CHECKED: (_info_checks_direction,),
    Feature.PIDFD_INFO_SUPPORTED_MASK: (_info(PIDFD_INFO_SUPPORTED_MASK),),
    Feature.PIDFD_INFO_EREMOTE: (_info_of_another_namespace,),
    Feature.CLONE_AUTOREAP: (_clone3_knows(CLONE_AUTOREAP), _clone3_knows(CLONE_NNP)),
    Feature.EXIT_SIGNAL_CHECK: (_clone_checks_exit_signal,),
    # Commit 58f5fbeb367f "fanotify: support watching filesystems and mounts inside userns" (6.16) brought
    # both of these, and 7.2-rc1 the next two. What a test asserts of one is decided by the other.
    Feature.USERNS_MARKS: (_userns_mark,),
    Feature.UNPRIVILEGED_MNT: (_unprivileged_group(FAN_REPORT_MNT, OK),),
    Feature.PIDFD_WITH_TID: (_group(FAN_REPORT_PIDFD | FAN_REPORT_TID),),
    Feature.PIDFD_OF_REAPED: (_pidfd_of_reaped,),
    Feature.QUEUE_FD: (lambda: queue_fd.detect() is queue_fd.Presence.PRESENT,),
    Feature.FASTPATH: (lambda: fastpath.detect() is fastpath.Presence.PRESENT,),
    Feature.FASTPATH_HANDLERS: (_handlers_are_there,),
}


def proposal() -> str:
    """Return a list of all that answers, in TOML, for a person to review."""
    found = [feature for feature in Feature if _answers(feature)]
    lines = [f'    "{feature.name}",  # {feature.facts}' for feature in found]
    release = releases.running()
    head = [
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        f"# What {os.uname().release} answers.",
        *([f'release = "{release.number}{_word(release)}"'] if release else []),
    ]
    return "\n".join([*head, "features = [", *lines, "]", ""])


def _word(release: Release) -> str:
    return baseline.REFERENCE if baseline.REFERENCE in release.text else ""


if __name__ == "__main__":
    print(proposal(), end="")
