# SPDX-License-Identifier: GPL-2.0-or-later
"""Which information records an event has: the manual as one table, (kind of event, what the group reports) -> records.

fanotify(7), "Reading fanotify events"; fanotify_init(2), FAN_REPORT_*. A kind which has nothing to say to a group of
certain flags is not reported to it: the flags are not in its table.
"""

from collections.abc import Callable
from dataclasses import dataclass

from helpers.events import FidRecord
from helpers.handles import FileHandle
from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_DFID,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
    FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    InfoType,
    Init,
)


@dataclass(frozen=True)
class Facts:
    """What statfs(2) and name_to_handle_at(2) say beside an event.

    Attributes:
        fsid: f_fsid of the filesystem.
        object: what the event happened to.
        directory: the directory that the object is in, or was.
        name: the object's name there.
        old_directory: the directory that it was moved from; where nothing moves the same as `directory`.
        old_name: the object's name there.
    """

    fsid: tuple[int, int]
    object: FileHandle
    directory: FileHandle
    name: bytes
    old_directory: FileHandle
    old_name: bytes


Template = Callable[[Facts], FidRecord]


def _record(kind: InfoType, facts: Facts, handle: FileHandle, name: bytes | None = None) -> FidRecord:
    return FidRecord(kind, facts.fsid, handle.type, handle.data, name)


def _object(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_FID, facts, facts.object)


def _directory(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_DFID, facts, facts.directory)


def _directory_as_object(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_FID, facts, facts.directory)


def _entry(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_DFID_NAME, facts, facts.directory, facts.name)


def _old_entry(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, facts, facts.old_directory, facts.old_name)


def _new_entry(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, facts, facts.directory, facts.name)


def _itself(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_DFID, facts, facts.object)


def _dot(facts: Facts) -> FidRecord:
    return _record(FAN_EVENT_INFO_TYPE_DFID_NAME, facts, facts.object, b".")


@dataclass(frozen=True)
class Kind:
    """Events of one kind: the behaviour that says which records they have, and these for each group that hears them."""

    behaviour: str
    records: dict[Init, tuple[Template, ...]]


OF_A_FILE = Kind(
    "INFO-OF-A-FILE",
    {
        Init(0): (),
        FAN_REPORT_FID: (_object,),
        FAN_REPORT_DIR_FID: (_directory_as_object,),  # INFO-DIRFID-TYPE: the manual says DFID
        FAN_REPORT_FID | FAN_REPORT_DIR_FID: (_directory, _object),
        FAN_REPORT_DFID_NAME: (_entry,),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_entry, _object),
        FAN_REPORT_DFID_NAME_TARGET: (_entry, _object),
    },
)
OF_A_FILE_ANYHOW = Kind("INFO-ON-CHILD-NO-EFFECT", OF_A_FILE.records)
OF_AN_UNLINKED_FILE = Kind("INFO-UNLINKED", OF_A_FILE.records)
OF_A_DIRECTORY = Kind(
    "INFO-OF-A-DIRECTORY",
    {
        Init(0): (),
        FAN_REPORT_FID: (_object,),
        FAN_REPORT_DIR_FID: (_itself,),
        FAN_REPORT_FID | FAN_REPORT_DIR_FID: (_itself,),
        FAN_REPORT_DFID_NAME: (_dot,),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_dot,),
        FAN_REPORT_DFID_NAME_TARGET: (_dot,),
    },
)
OF_AN_ENTRY = Kind(
    "INFO-OF-AN-ENTRY",
    {
        FAN_REPORT_FID: (_directory_as_object,),
        FAN_REPORT_DIR_FID: (_directory,),
        FAN_REPORT_FID | FAN_REPORT_DIR_FID: (_directory,),
        FAN_REPORT_DFID_NAME: (_entry,),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_entry,),
        FAN_REPORT_DFID_NAME_TARGET: (_entry, _object),
    },
)
WITHOUT_DIRECTORY = Kind(
    "INFO-WITHOUT-DIRECTORY",
    {
        FAN_REPORT_FID: (_object,),
        FAN_REPORT_FID | FAN_REPORT_DIR_FID: (_object,),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_object,),
        FAN_REPORT_DFID_NAME_TARGET: (_object,),
    },
)
OF_A_RENAME = Kind(
    "INFO-OF-A-RENAME",
    {
        FAN_REPORT_DFID_NAME: (_old_entry, _new_entry),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_old_entry, _new_entry),
        FAN_REPORT_DFID_NAME_TARGET: (_old_entry, _new_entry, _object),
    },
)
FROM_A_DIRECTORY = Kind(
    "INFO-OF-A-RENAME",
    {
        FAN_REPORT_DFID_NAME: (_old_entry,),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_old_entry,),
        FAN_REPORT_DFID_NAME_TARGET: (_old_entry, _object),
    },
)
INTO_A_DIRECTORY = Kind(
    "INFO-OF-A-RENAME",
    {
        FAN_REPORT_DFID_NAME: (_new_entry,),
        FAN_REPORT_DFID_NAME | FAN_REPORT_FID: (_new_entry,),
        FAN_REPORT_DFID_NAME_TARGET: (_new_entry, _object),
    },
)
NOT_REPORTED = Kind("INFO-NOT-REPORTED", {})
