# SPDX-License-Identifier: GPL-2.0-or-later
"""The marks that an event of a file, or of its directory, can meet."""

from pathlib import Path

from helpers.fanotify import FanotifyGroup
from helpers.uapi import (
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MARK_MOUNT,
    Mark,
    Mask,
)

FILE = "file"

PLACES = {
    "file": (FAN_MARK_INODE, FILE),
    "parent": (FAN_MARK_INODE, "."),
    "mount": (FAN_MARK_MOUNT, "."),
    "filesystem": (FAN_MARK_FILESYSTEM, "."),
}
"""Where a mark is put: its type, and the object's name in the directory of the file."""


def mark(group: FanotifyGroup, directory: Path, place: str, mask: int, flags: int = Mark(0)) -> None:
    """Put a mark on a place; `flags` are those of an ignore mask."""
    kind, name = PLACES[place]
    group.mark(FAN_MARK_ADD | kind | flags, mask, directory / name)


def of_children(place: str) -> Mask:
    """Return the flag that a mark on a place needs to hear of the file."""
    return FAN_EVENT_ON_CHILD if place == "parent" else Mask(0)
