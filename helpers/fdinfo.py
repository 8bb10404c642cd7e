# SPDX-License-Identifier: GPL-2.0-or-later
"""Parses `/proc/PID/fdinfo/FD` of pidfds and fanotify groups (proc_pid_fdinfo(5)).

The parsers are strict: an unknown line, or a number in the wrong base, is undocumented behaviour of the kernel and
raises AssertionError.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """The lines that every descriptor has. `ino` is None before Linux 5.14, which does not show it."""

    pos: int
    flags: int
    mnt_id: int
    ino: int | None


@dataclass(frozen=True)
class Pidfd(File):
    """A pidfd: `nspid` has one pid for each pid namespace, from that of the procfs mount down to the process's own.

    -1 means that the process was reaped, 0 that the pid namespace of the procfs mount cannot see it.
    """

    pid: int
    nspid: tuple[int, ...]


@dataclass(frozen=True)
class Mark:
    """The fields that marks of all types have."""

    mflags: int
    mask: int
    ignored_mask: int


@dataclass(frozen=True)
class InodeMark(Mark):
    """A mark on an inode; `sdev` is the kernel's own encoding of the device (major << 20 | minor)."""

    ino: int
    sdev: int
    handle_type: int
    handle: bytes


@dataclass(frozen=True)
class MountMark(Mark):
    """A mark on a mount; `mnt_id` is the mount id in `/proc/PID/mountinfo`."""

    mnt_id: int


@dataclass(frozen=True)
class FilesystemMark(Mark):
    """A mark on a filesystem; `sdev` as in `InodeMark`."""

    sdev: int


@dataclass(frozen=True)
class MountNamespaceMark(Mark):
    """A mark on a mount namespace (since Linux 6.15); `mnt_ns` is the inode number of `/proc/PID/ns/mnt`."""

    mnt_ns: int


@dataclass(frozen=True)
class Group(File):
    """A fanotify group. The order of its marks is not documented, hence a set."""

    init_flags: int
    event_flags: int
    marks: frozenset[Mark]


def read_text(fd: int, process: Path = Path("/proc/self")) -> str:
    """Return the fdinfo of descriptor `fd` of `process`, its directory in any procfs mount."""
    return (process / "fdinfo" / str(fd)).read_text("ascii")


def read_pidfd(fd: int, process: Path = Path("/proc/self")) -> Pidfd:
    """Return the fdinfo of the pidfd `fd` of `process`, its directory in any procfs mount."""
    return parse_pidfd(read_text(fd, process))


def read_group(fd: int, process: Path = Path("/proc/self")) -> Group:
    """Return the fdinfo of the fanotify group `fd` of `process`, its directory in any procfs mount."""
    return parse_group(read_text(fd, process))


def parse_pidfd(text: str) -> Pidfd:
    """Parse the fdinfo of a pidfd; raise AssertionError."""
    file, rest = _file(text)
    pid, nspid = _fields(rest, r"Pid:\t(-?\d+)\nNSpid:\t(-?\d+(?:\t-?\d+)*)\n")
    return Pidfd(*file, int(pid), tuple(int(number) for number in nspid.split("\t")))


def parse_group(text: str) -> Group:
    """Parse the fdinfo of a fanotify group; raise AssertionError."""
    file, rest = _file(text)
    group, *lines = rest.splitlines()
    flags, event_flags = _fields(group, rf"fanotify flags:{_HEX} event-flags:{_HEX}")
    marks = [_mark(line) for line in lines]
    assert len(set(marks)) == len(marks), f"the same mark is listed twice: {text!r}"
    return Group(*file, int(flags, 16), int(event_flags, 16), frozenset(marks))


def kernel_device(major: int, minor: int) -> int:
    """Encode a device number as the kernel does internally, and as `sdev` shows it."""
    return major << 20 | minor


_HEX = r"([0-9a-f]+)"
_MASKS = rf"mflags:{_HEX} mask:{_HEX} ignored_mask:{_HEX}"
_HANDLE = rf"fhandle-bytes:{_HEX} fhandle-type:{_HEX} f_handle:{_HEX}"
_OTHER_MARKS: tuple[tuple[str, int, Callable[[int, int, int, int], Mark]], ...] = (
    # pattern of the marked object, base of its number, class
    (r"mnt_id:([0-9a-f]+)", 16, MountMark),
    (r"sdev:([0-9a-f]+)", 16, FilesystemMark),
    # Decimal, although Documentation/filesystems/proc.rst says that all numbers are hexadecimal.
    (r"mnt_ns:(\d+)", 10, MountNamespaceMark),
)


def _file(text: str) -> tuple[tuple[int, int, int, int | None], str]:
    """Return the numbers of the common lines, and the text after them."""
    found = re.match(r"pos:\t(\d+)\nflags:\t(0[0-7]*)\nmnt_id:\t(\d+)\n(?:ino:\t(\d+)\n)?", text)
    assert found, f"does not begin with the lines of every descriptor: {text!r}"
    pos, flags, mnt_id, ino = found.groups()
    return (int(pos), int(flags, 8), int(mnt_id), int(ino) if ino else None), text[found.end() :]


def _mark(line: str) -> Mark:
    if line.startswith("fanotify ino:"):
        *numbers, handle = _fields(line, rf"fanotify ino:{_HEX} sdev:{_HEX} {_MASKS} {_HANDLE}")
        ino, sdev, mflags, mask, ignored, size, kind = (int(number, 16) for number in numbers)
        assert len(handle) == 2 * size, f"f_handle is not as long as fhandle-bytes says: {line!r}"
        return InodeMark(mflags, mask, ignored, ino, sdev, kind, bytes.fromhex(handle))
    for pattern, base, make in _OTHER_MARKS:
        if found := re.fullmatch(rf"fanotify {pattern} {_MASKS}", line):
            number, *masks = found.groups()
            mflags, mask, ignored = (int(mask, 16) for mask in masks)
            return make(mflags, mask, ignored, int(number, base))
    raise AssertionError(f"not a fanotify mark: {line!r}")


def _fields(text: str, pattern: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text)
    assert found, f"{text!r} does not match {pattern!r}"
    return found.groups()
