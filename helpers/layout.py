# SPDX-License-Identifier: GPL-2.0-or-later
"""From events to the bytes of read(2): the layouts of fanotify(7), written down once more.

The parser (helpers.events) reads by the structures of helpers.uapi. This does not use them, so that a mistake in one is
seen by the other.
"""

import struct

from helpers.events import (
    ALIGNMENT,
    ErrorRecord,
    Event,
    FidRecord,
    MntRecord,
    PidfdRecord,
    RangeRecord,
    Record,
    UnknownRecord,
)

VERSION = 3
METADATA = struct.Struct("=IBBHQii")
"""event_len, vers, reserved, metadata_len, mask, fd, pid."""
HEADER = struct.Struct("=BBH")
"""info_type, pad, len."""
_FID = struct.Struct("=iiIi")
"""The two words of fsid, handle_bytes, handle_type; the handle follows, then perhaps a name."""


def packed(event: Event) -> bytes:
    """Return the bytes in which read(2) returns an event; where it was read before (`offset`, `raw`) does not count."""
    records = b"".join(map(packed_record, event.records))
    length = METADATA.size + len(records)
    return METADATA.pack(length, VERSION, 0, METADATA.size, event.mask, event.fd, event.pid) + records


def packed_record(record: Record) -> bytes:
    """Return the bytes of one information record, filled up with zeros to a multiple of four."""
    body = _body(record)
    body += bytes(-len(body) % ALIGNMENT)
    return HEADER.pack(record.type, 0, HEADER.size + len(body)) + body


def _body(record: Record) -> bytes:
    match record:
        case FidRecord(fsid=fsid, handle_type=kind, handle=handle, name=name):
            named = b"" if name is None else name + b"\0"
            return _FID.pack(*fsid, len(handle), kind) + handle + named
        case PidfdRecord(pidfd=pidfd):
            return struct.pack("=i", pidfd)
        case ErrorRecord(error=error, count=count):
            return struct.pack("=iI", error, count)
        case RangeRecord(offset=offset, count=count):
            return struct.pack("=IQQ", 0, offset, count)
        case MntRecord(mnt_id=mnt_id):
            return struct.pack("=IQ", 0, mnt_id)
        case UnknownRecord(payload=payload):
            return payload
