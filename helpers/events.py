# SPDX-License-Identifier: GPL-2.0-or-later
"""Parses the bytes that read(2) returns on a group into events. Rejects whatever fanotify(7) does not allow."""

import ctypes
from dataclasses import dataclass, field
from typing import TypeVar

from helpers.uapi import (
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_ERROR,
    FAN_EVENT_INFO_TYPE_MNT,
    FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
    FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_EVENT_INFO_TYPE_RANGE,
    FAN_EVENT_METADATA_LEN,
    FANOTIFY_METADATA_VERSION,
    MAX_HANDLE_SZ,
    EventMetadata,
    InfoError,
    InfoFid,
    InfoHeader,
    InfoMnt,
    InfoPidfd,
    InfoRange,
    InfoType,
    Mask,
)

ALIGNMENT = 4
"""The length of every record, and so of every event, is a multiple of this (FANOTIFY_EVENT_ALIGN in the kernel)."""

_NAMED = (FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME)

Struct = TypeVar("Struct", bound=ctypes.Structure)
R = TypeVar("R")


class MalformedEvent(AssertionError):  # noqa: N818 - what it is
    """The buffer has a malformed event; the message has the offset and the reason."""

    def __init__(self, offset: int, what: str) -> None:
        """Set the offset in bytes, and the reason."""
        super().__init__(f"offset {offset}: {what}")
        self.offset = offset


@dataclass(frozen=True)
class FidRecord:
    """FID, DFID and the three DFID_NAME records: an fsid, a file handle and, in the latter, a name."""

    type: InfoType
    fsid: tuple[int, int]
    handle_type: int
    handle: bytes
    name: bytes | None = None


@dataclass(frozen=True)
class PidfdRecord:
    """PIDFD: a pidfd, FAN_NOPIDFD, FAN_EPIDFD, or a negated errno in a FAN_REPORT_FD_ERROR group."""

    pidfd: int
    type: InfoType = field(default=FAN_EVENT_INFO_TYPE_PIDFD, repr=False)


@dataclass(frozen=True)
class ErrorRecord:
    """ERROR: the first error on a filesystem, and the number of errors."""

    error: int
    count: int
    type: InfoType = field(default=FAN_EVENT_INFO_TYPE_ERROR, repr=False)


@dataclass(frozen=True)
class RangeRecord:
    """RANGE: the range of the file that is about to be accessed, in bytes."""

    offset: int
    count: int
    type: InfoType = field(default=FAN_EVENT_INFO_TYPE_RANGE, repr=False)


@dataclass(frozen=True)
class MntRecord:
    """MNT: the mount's unique id, as STATX_MNT_ID_UNIQUE returns it."""

    mnt_id: int
    type: InfoType = field(default=FAN_EVENT_INFO_TYPE_MNT, repr=False)


@dataclass(frozen=True)
class UnknownRecord:
    """A record of an unknown type, with the bytes after its header."""

    type: int
    payload: bytes


Record = FidRecord | PidfdRecord | ErrorRecord | RangeRecord | MntRecord | UnknownRecord


@dataclass(frozen=True)
class Event:
    """One event; `offset` is its offset in the buffer, and `raw` its bytes."""

    mask: Mask
    fd: int
    pid: int
    records: tuple[Record, ...] = ()
    offset: int = field(default=0, compare=False)
    raw: bytes = field(default=b"", repr=False, compare=False)

    @property
    def types(self) -> list[int]:
        """The types of the records, in the order of the buffer."""
        return [record.type for record in self.records]

    def one(self, kind: type[R]) -> R:
        """Return the event's only record of this class; raise AssertionError if there are none or several."""
        found = [record for record in self.records if isinstance(record, kind)]
        assert len(found) == 1, f"expected one {kind.__name__}, found {len(found)} in {self}"
        return found[0]

    @property
    def pidfd(self) -> int:
        """The pidfd field of the event's only PIDFD record."""
        return self.one(PidfdRecord).pidfd

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that the kernel opened for the reader of this event."""
        fields = [self.fd, *(record.pidfd for record in self.records if isinstance(record, PidfdRecord))]
        return [fd for fd in fields if fd >= 0]


def parse(buffer: bytes) -> list[Event]:
    """Return the events of one read(2); raise MalformedEvent at the first error."""
    events, offset = [], 0
    while offset < len(buffer):
        event = _event(buffer, offset)
        events.append(event)
        offset += len(event.raw)
    return events


def _event(buffer: bytes, offset: int) -> Event:
    metadata = _struct(EventMetadata, buffer, offset, len(buffer), "metadata")
    _require(
        metadata.vers == FANOTIFY_METADATA_VERSION,
        offset,
        f"vers is {metadata.vers}, not {FANOTIFY_METADATA_VERSION}",
    )
    _require(metadata.reserved == 0, offset, f"reserved is {metadata.reserved}, not 0")
    _require(
        metadata.metadata_len == FAN_EVENT_METADATA_LEN,
        offset,
        f"metadata_len is {metadata.metadata_len}, not {FAN_EVENT_METADATA_LEN}",
    )
    _length(metadata.event_len, FAN_EVENT_METADATA_LEN, offset, len(buffer), "event_len")
    end = offset + metadata.event_len
    return Event(
        mask=Mask(metadata.mask),
        fd=metadata.fd,
        pid=metadata.pid,
        records=_records(buffer, offset + FAN_EVENT_METADATA_LEN, end),
        offset=offset,
        raw=buffer[offset:end],
    )


def _records(buffer: bytes, offset: int, end: int) -> tuple[Record, ...]:
    records = []
    while offset < end:
        header = _struct(InfoHeader, buffer, offset, end, "information record")
        _require(header.pad == 0, offset, f"pad of an information record is {header.pad}, not 0")
        _length(header.len, ctypes.sizeof(InfoHeader), offset, end, "len of an information record")
        records.append(_record(header.info_type, buffer, offset, offset + header.len))
        offset += header.len
    return tuple(records)


def _record(kind: int, buffer: bytes, offset: int, end: int) -> Record:
    match kind:
        case InfoType.FAN_EVENT_INFO_TYPE_PIDFD:
            return PidfdRecord(_whole(InfoPidfd, buffer, offset, end).pidfd)
        case InfoType.FAN_EVENT_INFO_TYPE_ERROR:
            error = _whole(InfoError, buffer, offset, end)
            return ErrorRecord(error.error, error.error_count)
        case InfoType.FAN_EVENT_INFO_TYPE_RANGE:
            accessed = _whole(InfoRange, buffer, offset, end)
            _require(accessed.pad == 0, offset, f"pad of a RANGE record is {accessed.pad}, not 0")
            return RangeRecord(accessed.offset, accessed.count)
        case InfoType.FAN_EVENT_INFO_TYPE_MNT:
            mount = _whole(InfoMnt, buffer, offset, end)
            _require(mount.hole == 0, offset, f"the padding of a MNT record is {mount.hole:#x}, not 0")
            return MntRecord(mount.mnt_id)
        case InfoType():
            return _fid(kind, buffer, offset, end)
        case _ if kind in InfoType.__members__.values():
            return _fid(InfoType(kind), buffer, offset, end)
        case _:
            return UnknownRecord(kind, buffer[offset + ctypes.sizeof(InfoHeader) : end])


def _fid(kind: InfoType, buffer: bytes, offset: int, end: int) -> FidRecord:
    what = f"{kind.name} record"
    fixed = _struct(InfoFid, buffer, offset, end, what)
    size = fixed.handle_bytes
    _require(size <= MAX_HANDLE_SZ, offset, f"{what}: handle_bytes is {size}, more than {MAX_HANDLE_SZ}")
    start = offset + ctypes.sizeof(InfoFid)
    _require(start + size <= end, offset, f"{what}: the handle of {size} bytes does not fit")
    handle, rest, name = buffer[start : start + size], buffer[start + size : end], None
    if kind in _NAMED:
        name, nul, rest = rest.partition(b"\0")
        _require(bool(name and nul), offset, f"{what}: no NUL-terminated name")
    _require(not rest.strip(b"\0"), offset, f"{what}: padding {rest!r} is not zero")
    _require(len(rest) < ALIGNMENT, offset, f"{what}: {len(rest)} bytes of padding")
    return FidRecord(kind, tuple(fixed.fsid), fixed.handle_type, handle, name)


def _whole(struct: type[Struct], buffer: bytes, offset: int, end: int) -> Struct:
    size = ctypes.sizeof(struct)
    _require(end - offset == size, offset, f"{struct.__name__}: len is {end - offset}, not {size}")
    return struct.from_buffer_copy(buffer, offset)


def _struct(struct: type[Struct], buffer: bytes, offset: int, end: int, what: str) -> Struct:
    size = ctypes.sizeof(struct)
    _require(end - offset >= size, offset, f"{what}: needs {size} bytes, {end - offset} are left")
    return struct.from_buffer_copy(buffer, offset)


def _length(length: int, least: int, offset: int, end: int, what: str) -> None:
    _require(length >= least, offset, f"{what} is {length}, less than {least}")
    _require(length % ALIGNMENT == 0, offset, f"{what} is {length}, not a multiple of {ALIGNMENT}")
    _require(offset + length <= end, offset, f"{what} is {length}, but {end - offset} bytes are left")


def _require(condition: bool, offset: int, what: str) -> None:  # noqa: FBT001
    if not condition:
        raise MalformedEvent(offset, what)
