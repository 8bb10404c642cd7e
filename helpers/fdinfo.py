# SPDX-License-Identifier: GPL-2.0-or-later
"""What `/proc/PID/fdinfo/FD` says about pidfds and fanotify groups (proc_pid_fdinfo(5)).

The parsers are strict: a line they do not know, or a number in the wrong base, is an answer of the kernel
that nobody documented, and therefore an AssertionError.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """The lines that every descriptor has. `ino` is None before Linux 5.14, which has no such line."""

    pos: int
    flags: int
    mnt_id: int
    ino: int | None


@dataclass(frozen=True)
class Pidfd(File):
    """A pidfd: `nspid` holds one number for each pid namespace, from the one of the procfs mount downwards.

    -1 stands for a process that was reaped, 0 for one that the procfs mount's namespace cannot see.
    """

    pid: int
    nspid: tuple[int, ...]


@dataclass(frozen=True)
class Mark:
    """What the marks of all kinds have in common."""

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
    """A mark on a mount; `mnt_id` is the number in `/proc/PID/mountinfo`."""

    mnt_id: int


@dataclass(frozen=True)
class FilesystemMark(Mark):
    """A mark on a filesystem; `sdev` as in `InodeMark`."""

    sdev: int


@dataclass(frozen=True)
class MountNamespaceMark(Mark):
    """A mark on a mount namespace (since Linux 6.15); `mnt_ns` is the number in `/proc/PID/ns/mnt`."""

    mnt_ns: int


@dataclass(frozen=True)
class Group(File):
    """A fanotify group. The order of its marks is not documented, hence a set."""

    init_flags: int
    event_flags: int
    marks: frozenset[Mark]


def read_text(fd: int, process: Path = Path("/proc/self")) -> str:
    """The text about descriptor `fd` of `process`, a directory of any procfs mount."""
    return (process / "fdinfo" / str(fd)).read_text("ascii")


def read_pidfd(fd: int, process: Path = Path("/proc/self")) -> Pidfd:
    """What the procfs of `process` says about its pidfd `fd`."""
    return parse_pidfd(read_text(fd, process))


def read_group(fd: int, process: Path = Path("/proc/self")) -> Group:
    """What the procfs of `process` says about its fanotify group `fd`."""
    return parse_group(read_text(fd, process))


def parse_pidfd(text: str) -> Pidfd:
    """Take the text about a pidfd apart."""
    file, rest = _file(text)
    pid, nspid = _fields(rest, r"Pid:\t(-?\d+)\nNSpid:\t(-?\d+(?:\t-?\d+)*)\n")
    return Pidfd(*file, int(pid), tuple(int(number) for number in nspid.split("\t")))


def parse_group(text: str) -> Group:
    """Take the text about a fanotify group apart."""
    file, rest = _file(text)
    group, *lines = rest.splitlines()
    flags, event_flags = _fields(group, rf"fanotify flags:{_HEX} event-flags:{_HEX}")
    marks = [_mark(line) for line in lines]
    assert len(set(marks)) == len(marks), f"the same mark is listed twice: {text!r}"
    return Group(*file, int(flags, 16), int(event_flags, 16), frozenset(marks))


def kernel_device(major: int, minor: int) -> int:
    """Encode a device number as the kernel does inside, and as `sdev` shows it."""
    return major << 20 | minor


_HEX = r"([0-9a-f]+)"
_MASKS = rf"mflags:{_HEX} mask:{_HEX} ignored_mask:{_HEX}"
_HANDLE = rf"fhandle-bytes:{_HEX} fhandle-type:{_HEX} f_handle:{_HEX}"
_OTHER_MARKS: tuple[tuple[str, int, Callable[[int, int, int, int], Mark]], ...] = (
    # the marked object, the base its number is written in, what it makes
    (r"mnt_id:([0-9a-f]+)", 16, MountMark),
    (r"sdev:([0-9a-f]+)", 16, FilesystemMark),
    # Decimal, although Documentation/filesystems/proc.rst says that all numbers are hexadecimal.
    (r"mnt_ns:(\d+)", 10, MountNamespaceMark),
)


def _file(text: str) -> tuple[tuple[int, int, int, int | None], str]:
    """The numbers of the common lines, and the text after them."""
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
    assert found, f"{text!r} does not look like {pattern!r}"
    return found.groups()
