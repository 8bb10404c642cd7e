# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done, what a mark is on, and of which kind the event then is: the other half of the table in kinds.py."""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOEXEC
from pathlib import Path

from helpers.errors import expect
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ATTRIB,
    FAN_CLOSE_NOWRITE,
    FAN_CLOSE_WRITE,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    FAN_MODIFY,
    FAN_MOVE_SELF,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_EXEC,
    FAN_RENAME,
    Mark,
    Mask,
)
from suites.fanotify_info.kinds import (
    FROM_A_DIRECTORY,
    INTO_A_DIRECTORY,
    NOT_REPORTED,
    OF_A_DIRECTORY,
    OF_A_FILE,
    OF_A_FILE_ANYHOW,
    OF_A_RENAME,
    OF_AN_ENTRY,
    OF_AN_UNLINKED_FILE,
    WITHOUT_DIRECTORY,
    Kind,
)

NAMES = [
    (b"file", b"renamed"),
    (b"n" * 255, b"m" * 254),
    (b"\xff\xfe\x80", b"\xc3("),  # no UTF-8
]
"""Names of an entry: the one that it has, and the one that it may get."""


class Place:
    """Two directories in a new one; an entry in the first, or place for it, which may be moved to the second."""

    def __init__(self, top: Path, names: tuple[bytes, bytes]) -> None:
        """Make the directories."""
        self.top, self.directory, self.other = top, top / "one", top / "two"
        for directory in (self.top, self.directory, self.other):
            directory.mkdir()
        name, new_name = map(os.fsdecode, names)
        self.path = self.directory / name
        self.beside, self.elsewhere = self.directory / new_name, self.other / new_name


Where = Callable[[Place], Path]
NOTHING_MORE = Mask(0)


@dataclass(frozen=True)
class Watch:
    """What a mark is on, and of which type it is. `more` is asked for beside the event."""

    name: str
    where: tuple[Where, ...]
    flags: Mark = FAN_MARK_INODE
    more: Mask = NOTHING_MORE


def _path(place: Place) -> Path:
    return place.path


def _beside(place: Place) -> Path:
    return place.beside


def _elsewhere(place: Place) -> Path:
    return place.elsewhere


def _directory(place: Place) -> Path:
    return place.directory


def _other(place: Place) -> Path:
    return place.other


def _top(place: Place) -> Path:
    return place.top


OBJECT = Watch("the object", (_path,))
PARENT = Watch("the parent with FAN_EVENT_ON_CHILD", (_directory,), more=FAN_EVENT_ON_CHILD)
OTHER_PARENT = Watch("the other parent with FAN_EVENT_ON_CHILD", (_other,), more=FAN_EVENT_ON_CHILD)
DIRECTORY = Watch("the directory", (_directory,))
OTHER = Watch("the other directory", (_other,))
BOTH = Watch("both directories", (_directory, _other))
ABOVE = Watch("the directory above with FAN_EVENT_ON_CHILD", (_top,), more=FAN_EVENT_ON_CHILD)
MOUNT = Watch("the mount", (_top,), FAN_MARK_MOUNT)
FILESYSTEM = Watch("the filesystem", (_top,), FAN_MARK_FILESYSTEM)
MOUNT_ON_CHILD = Watch("the mount with FAN_EVENT_ON_CHILD", (_top,), FAN_MARK_MOUNT, FAN_EVENT_ON_CHILD)
FILESYSTEM_ON_CHILD = Watch(
    "the filesystem with FAN_EVENT_ON_CHILD", (_top,), FAN_MARK_FILESYSTEM, FAN_EVENT_ON_CHILD
)


@dataclass(frozen=True)
class Operation:
    """One line of the table.

    Attributes:
        name: how it stands in the id of the test.
        mask: what the mark asks for, and what the event has.
        prepare: makes what must be there before.
        act: what raises the event.
        kinds: what a mark is on -> of which kind the event is for it.
        entry: the entry that the event is about.
    """

    name: str
    mask: Mask
    prepare: Callable[[Place], object]
    act: Callable[[Place], object]
    kinds: dict[Watch, Kind]
    entry: Where = _path

    @property
    def behaviours(self) -> list[str]:
        """The behaviours that say which records the event has."""
        return sorted({kind.behaviour for kind in self.kinds.values()})


def nothing(_place: Place) -> None:
    """Leave the place as it is."""


def a_file(place: Place) -> None:
    """Make a file of some bytes."""
    place.path.write_bytes(b"content")


def a_program(place: Place) -> None:
    """Make a file that may be executed, and is in no format that the kernel knows."""
    place.path.touch(0o755)


def a_directory(place: Place) -> None:
    """Make a directory."""
    place.path.mkdir()


def a_fifo(place: Place) -> None:
    """Make a FIFO, which is a file that mknod(2) makes."""
    os.mknod(place.path, stat.S_IFIFO | 0o644)


def a_symlink(place: Place) -> None:
    """Make a symbolic link to nothing."""
    place.path.symlink_to("nothing")


def two_links(place: Place) -> None:
    """Make a file with a name in each directory."""
    a_file(place)
    place.elsewhere.hardlink_to(place.path)


def use(flags: int, where: Where = _path) -> Callable[[Place], None]:
    """Return what opens the entry, reads or writes a byte, and closes it."""

    def act(place: Place) -> None:
        fd = os.open(where(place), flags)
        if flags & os.O_WRONLY:
            os.write(fd, b"x")
        else:
            os.read(fd, 1)
        os.close(fd)

    return act


def execute(place: Place) -> None:
    """Execute the file, which the kernel opens before it finds that it cannot."""
    expect(ENOEXEC, os.execv, place.path, ["program"])


def list_directory(place: Place) -> None:
    """Open, read and close the directory."""
    with contextlib.closing(os.scandir(place.path)) as entries:
        list(entries)


def use_unlinked(place: Place) -> None:
    """Open the file, remove its only name, and read it."""
    fd = os.open(place.path, os.O_RDONLY)
    place.path.unlink()
    os.read(fd, 1)
    os.close(fd)


def chmod(place: Place) -> None:
    """Change the permissions."""
    place.path.chmod(0o700)


def unlink(place: Place) -> None:
    """Remove the entry."""
    place.path.unlink()


def rmdir(place: Place) -> None:
    """Remove the directory."""
    place.path.rmdir()


def rename(place: Place) -> None:
    """Rename the entry within its directory."""
    place.path.rename(place.beside)


def move(place: Place) -> None:
    """Move the entry to the other directory, under another name."""
    place.path.rename(place.elsewhere)


def link(place: Place) -> None:
    """Give the file a second name in the other directory."""
    place.elsewhere.hardlink_to(place.path)


_FILE = dict.fromkeys([OBJECT, PARENT, MOUNT, FILESYSTEM], OF_A_FILE)
_FILE_ANYHOW = (
    _FILE | dict.fromkeys([MOUNT_ON_CHILD, FILESYSTEM_ON_CHILD], OF_A_FILE_ANYHOW) | {ABOVE: NOT_REPORTED}
)
_FILE_BY_NAME = dict.fromkeys([OBJECT, PARENT, FILESYSTEM], OF_A_FILE)
_UNLINKED_FILE = dict.fromkeys([OBJECT, PARENT, MOUNT, FILESYSTEM], OF_AN_UNLINKED_FILE)
_SELF = {OBJECT: WITHOUT_DIRECTORY, FILESYSTEM: WITHOUT_DIRECTORY, PARENT: NOT_REPORTED}
_DIRECTORY = dict.fromkeys([OBJECT, PARENT, MOUNT, FILESYSTEM], OF_A_DIRECTORY)
_DIRECTORY_BY_NAME = dict.fromkeys([OBJECT, PARENT, FILESYSTEM], OF_A_DIRECTORY)
_DIRECTORY_SELF = {OBJECT: OF_A_DIRECTORY, FILESYSTEM: OF_A_DIRECTORY, PARENT: NOT_REPORTED}
_ENTRY = {DIRECTORY: OF_AN_ENTRY, FILESYSTEM: OF_AN_ENTRY, ABOVE: NOT_REPORTED}
_OTHER_ENTRY = {OTHER: OF_AN_ENTRY, FILESYSTEM: OF_AN_ENTRY, DIRECTORY: NOT_REPORTED}
_RENAME = {DIRECTORY: OF_A_RENAME, FILESYSTEM: OF_A_RENAME, OTHER: NOT_REPORTED}
_MOVE = {
    DIRECTORY: FROM_A_DIRECTORY,
    OTHER: INTO_A_DIRECTORY,
    BOTH: OF_A_RENAME,
    FILESYSTEM: OF_A_RENAME,
    ABOVE: NOT_REPORTED,
}

OPERATIONS = [
    Operation("open", FAN_OPEN, a_file, use(os.O_RDONLY), _FILE_ANYHOW),
    Operation("read", FAN_ACCESS, a_file, use(os.O_RDONLY), _FILE),
    Operation("write", FAN_MODIFY, a_file, use(os.O_WRONLY), _FILE),
    Operation("close-nowrite", FAN_CLOSE_NOWRITE, a_file, use(os.O_RDONLY), _FILE),
    Operation("close-write", FAN_CLOSE_WRITE, a_file, use(os.O_WRONLY), _FILE),
    Operation("execve", FAN_OPEN_EXEC, a_program, execute, _FILE),
    Operation(
        "open-by-another-name",
        FAN_OPEN,
        two_links,
        use(os.O_RDONLY, _elsewhere),
        dict.fromkeys([OBJECT, OTHER_PARENT, MOUNT, FILESYSTEM], OF_A_FILE) | {PARENT: NOT_REPORTED},
        entry=_elsewhere,
    ),
    Operation("chmod", FAN_ATTRIB, a_file, chmod, _FILE_BY_NAME),
    Operation("read-unlinked", FAN_ACCESS, a_file, use_unlinked, _UNLINKED_FILE),
    Operation("link-attrib", FAN_ATTRIB, a_file, link, _SELF),
    Operation("unlink-attrib", FAN_ATTRIB, a_file, unlink, _SELF),
    Operation("rename-self", FAN_MOVE_SELF, a_file, rename, _SELF),
    Operation("move-self", FAN_MOVE_SELF, a_file, move, _SELF),
    Operation("unlink-self", FAN_DELETE_SELF, a_file, unlink, _SELF),
    Operation("open-directory", FAN_OPEN | FAN_ONDIR, a_directory, list_directory, _DIRECTORY),
    Operation("read-directory", FAN_ACCESS | FAN_ONDIR, a_directory, list_directory, _DIRECTORY),
    Operation("close-directory", FAN_CLOSE_NOWRITE | FAN_ONDIR, a_directory, list_directory, _DIRECTORY),
    Operation("chmod-directory", FAN_ATTRIB | FAN_ONDIR, a_directory, chmod, _DIRECTORY_BY_NAME),
    Operation("rename-directory-self", FAN_MOVE_SELF | FAN_ONDIR, a_directory, rename, _DIRECTORY_SELF),
    Operation("move-directory-self", FAN_MOVE_SELF | FAN_ONDIR, a_directory, move, _DIRECTORY_SELF),
    Operation("rmdir-self", FAN_DELETE_SELF | FAN_ONDIR, a_directory, rmdir, _DIRECTORY_SELF),
    Operation("create", FAN_CREATE, nothing, a_file, _ENTRY),
    Operation("mkdir", FAN_CREATE | FAN_ONDIR, nothing, a_directory, _ENTRY),
    Operation("mknod", FAN_CREATE, nothing, a_fifo, _ENTRY),
    Operation("symlink", FAN_CREATE, nothing, a_symlink, _ENTRY),
    Operation("link", FAN_CREATE, a_file, link, _OTHER_ENTRY, entry=_elsewhere),
    Operation("unlink", FAN_DELETE, a_file, unlink, _ENTRY),
    Operation("unlink-fifo", FAN_DELETE, a_fifo, unlink, _ENTRY),
    Operation("unlink-symlink", FAN_DELETE, a_symlink, unlink, _ENTRY),
    Operation("rmdir", FAN_DELETE | FAN_ONDIR, a_directory, rmdir, _ENTRY),
    Operation("rename-from", FAN_MOVED_FROM, a_file, rename, _ENTRY),
    Operation("rename-to", FAN_MOVED_TO, a_file, rename, _ENTRY, entry=_beside),
    Operation("move-from", FAN_MOVED_FROM, a_file, move, _ENTRY | {OTHER: NOT_REPORTED}),
    Operation("move-to", FAN_MOVED_TO, a_file, move, _OTHER_ENTRY, entry=_elsewhere),
    Operation("move-directory-from", FAN_MOVED_FROM | FAN_ONDIR, a_directory, move, _ENTRY),
    Operation(
        "move-directory-to", FAN_MOVED_TO | FAN_ONDIR, a_directory, move, _OTHER_ENTRY, entry=_elsewhere
    ),
    Operation("rename", FAN_RENAME, a_file, rename, _RENAME, entry=_beside),
    Operation("move", FAN_RENAME, a_file, move, _MOVE, entry=_elsewhere),
    Operation("move-directory", FAN_RENAME | FAN_ONDIR, a_directory, move, _MOVE, entry=_elsewhere),
]
