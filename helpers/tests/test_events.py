# SPDX-License-Identifier: GPL-2.0-or-later
"""The event parser: it parses valid buffers, and rejects malformed ones.

The buffers are built here from the layouts in fanotify(7), not with the structures that the parser uses.
"""

import re
import struct

import pytest

from helpers.events import (
    ErrorRecord,
    Event,
    FidRecord,
    MalformedEvent,
    MntRecord,
    PidfdRecord,
    RangeRecord,
    UnknownRecord,
    parse,
)
from helpers.layout import packed
from helpers.uapi import (
    FAN_EPIDFD,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
    FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
    FAN_EVENT_INFO_TYPE_PIDFD,
    FAN_NOFD,
    FAN_OPEN,
    FAN_Q_OVERFLOW,
)


def event(*records: bytes, mask: int = FAN_OPEN, fd: int = 5, pid: int = 100) -> bytes:
    body = b"".join(records)
    return struct.pack("=IBBHQii", 24 + len(body), 3, 0, 24, mask, fd, pid) + body


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("=BBH", kind, 0, 4 + len(body)) + body


def fid(kind: int = 1, handle: bytes = b"handle!!", name: bytes = b"", padding: bytes = b"") -> bytes:
    return record(kind, struct.pack("=iiIi", 7, -8, len(handle), 1) + handle + name + padding)


PIDFD = record(4, struct.pack("=i", 6))

GOOD = {
    "nothing": (b"", []),
    "metadata": (event(), [Event(FAN_OPEN, 5, 100)]),
    "overflow": (
        event(mask=FAN_Q_OVERFLOW, fd=FAN_NOFD, pid=0),
        [Event(FAN_Q_OVERFLOW, FAN_NOFD, 0)],
    ),
    "two": (event() + event(pid=7), [Event(FAN_OPEN, 5, 100), Event(FAN_OPEN, 5, 7)]),
    "pidfd": (event(PIDFD), [Event(FAN_OPEN, 5, 100, (PidfdRecord(6),))]),
    "no-pidfd": (
        event(record(4, struct.pack("=i", -2))),
        [Event(FAN_OPEN, 5, 100, (PidfdRecord(FAN_EPIDFD),))],
    ),
    "fid": (
        event(fid()),
        [Event(FAN_OPEN, 5, 100, (FidRecord(FAN_EVENT_INFO_TYPE_FID, (7, -8), 1, b"handle!!"),))],
    ),
    "padded-handle": (
        event(fid(handle=b"12345", padding=b"\0\0\0")),
        [Event(FAN_OPEN, 5, 100, (FidRecord(FAN_EVENT_INFO_TYPE_FID, (7, -8), 1, b"12345"),))],
    ),
    "no-handle": (
        event(fid(handle=b"")),
        [Event(FAN_OPEN, 5, 100, (FidRecord(FAN_EVENT_INFO_TYPE_FID, (7, -8), 1, b""),))],
    ),
    "rename": (
        event(fid(10, name=b"old\0"), fid(12, name=b"newer\0", padding=b"\0\0"), fid(), PIDFD),
        [
            Event(
                FAN_OPEN,
                5,
                100,
                (
                    FidRecord(FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, (7, -8), 1, b"handle!!", b"old"),
                    FidRecord(FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, (7, -8), 1, b"handle!!", b"newer"),
                    FidRecord(FAN_EVENT_INFO_TYPE_FID, (7, -8), 1, b"handle!!"),
                    PidfdRecord(6),
                ),
            )
        ],
    ),
    "error": (
        event(record(5, struct.pack("=iI", 117, 3))),
        [Event(FAN_OPEN, 5, 100, (ErrorRecord(117, 3),))],
    ),
    "range": (
        event(record(6, struct.pack("=IQQ", 0, 4096, 8192))),
        [Event(FAN_OPEN, 5, 100, (RangeRecord(4096, 8192),))],
    ),
    "mount": (
        event(record(7, struct.pack("=IQ", 0, 1 << 40))),
        [Event(FAN_OPEN, 5, 100, (MntRecord(1 << 40),))],
    ),
    "unknown-type": (
        event(record(99, b"what")),
        [Event(FAN_OPEN, 5, 100, (UnknownRecord(99, b"what"),))],
    ),
}


def patched(buffer: bytes, offset: int, value: bytes) -> bytes:
    return buffer[:offset] + value + buffer[offset + len(value) :]


BAD = {
    "vers-2": (patched(event(), 4, b"\x02"), 0, "vers is 2, not 3"),
    "reserved": (patched(event(), 5, b"\x01"), 0, "reserved is 1, not 0"),
    "metadata_len": (patched(event(), 6, b"\x20\0"), 0, "metadata_len is 32, not 24"),
    "event_len-short": (patched(event(), 0, b"\x14"), 0, "event_len is 20, less than 24"),
    "event_len-odd": (patched(event(PIDFD), 0, b"\x1e"), 0, "event_len is 30, not a multiple of 4"),
    "event_len-long": (patched(event(), 0, b"\x20"), 0, "event_len is 32, but 24 bytes are left"),
    "second-event": (event() + patched(event(), 4, b"\x01"), 24, "vers is 1, not 3"),
    "trailing-bytes": (event() + b"\0\0\0\0", 24, "metadata: needs 24 bytes, 4 are left"),
    "record-pad": (event(patched(PIDFD, 1, b"\x09")), 24, "pad of an information record is 9, not 0"),
    "record-len-0": (event(patched(PIDFD, 2, b"\0")), 24, "len of an information record is 0, less than 4"),
    "record-len-odd": (event(patched(PIDFD, 2, b"\x06")), 24, "is 6, not a multiple of 4"),
    "record-len-long": (event(patched(PIDFD, 2, b"\x0c")), 24, "is 12, but 8 bytes are left"),
    "half-a-header": (event(PIDFD, b"\0\0\0\0"), 32, "len of an information record is 0"),
    "long-pidfd": (event(record(4, bytes(8))), 24, "InfoPidfd: len is 12, not 8"),
    "short-pidfd": (event(record(4, b"")), 24, "InfoPidfd: len is 4, not 8"),
    "short-error": (event(record(5, bytes(4))), 24, "InfoError: len is 8, not 12"),
    "long-range": (event(record(6, bytes(24))), 24, "InfoRange: len is 28, not 24"),
    "range-pad": (event(record(6, struct.pack("=IQQ", 5, 0, 0))), 24, "pad of a RANGE record is 5"),
    "mount-hole": (
        event(record(7, struct.pack("=IQ", 5, 0))),
        24,
        "the padding of a MNT record is 0x5, not 0",
    ),
    "short-fid": (event(record(1, bytes(12))), 24, "FID record: needs 20 bytes, 16 are left"),
    "huge-handle": (event(fid(handle=bytes(132))), 24, "handle_bytes is 132, more than 128"),
    "long-handle": (event(patched(fid(), 12, b"\x0c")), 24, "the handle of 12 bytes does not fit"),
    "dirty-padding": (event(fid(handle=b"12345", padding=b"\0\0x")), 24, r"padding b'\x00\x00x' is not zero"),
    "too-much-padding": (event(fid(padding=bytes(4))), 24, "4 bytes of padding"),
    "name-in-a-fid": (event(fid(name=b"abc\0")), 24, "is not zero"),
    "no-name": (event(fid(2)), 24, "no NUL-terminated name"),
    "empty-name": (event(fid(2, name=bytes(4))), 24, "no NUL-terminated name"),
    "endless-name": (event(fid(2, name=b"name")), 24, "no NUL-terminated name"),
    "bytes-after-name": (event(fid(2, name=b"a\0bc")), 24, "is not zero"),
}


@pytest.mark.parametrize(("buffer", "events"), GOOD.values(), ids=GOOD)
def test_good(buffer: bytes, events: list[Event]) -> None:
    assert parse(buffer) == events


@pytest.mark.parametrize(("buffer", "events"), GOOD.values(), ids=GOOD)
def test_packed_again(buffer: bytes, events: list[Event]) -> None:
    assert b"".join(map(packed, events)) == buffer


@pytest.mark.parametrize(("buffer", "offset", "message"), BAD.values(), ids=BAD)
def test_bad(buffer: bytes, offset: int, message: str) -> None:
    with pytest.raises(MalformedEvent, match=rf"^offset {offset}: .*{re.escape(message)}") as error:
        parse(buffer)
    assert error.value.offset == offset


@pytest.mark.parametrize("buffer", [buffer for buffer, _ in GOOD.values()], ids=GOOD)
def test_no_bit_is_ignored(buffer: bytes) -> None:
    original = parse(buffer)
    for offset, byte in enumerate(buffer):
        for bit in range(8):
            try:
                assert parse(patched(buffer, offset, bytes([byte ^ 1 << bit]))) != original, (offset, bit)
            except MalformedEvent:
                continue


@pytest.mark.parametrize("buffer", [buffer for buffer, _ in GOOD.values()], ids=GOOD)
def test_truncated(buffer: bytes) -> None:
    boundaries = {event.offset for event in parse(buffer)}
    for length in set(range(len(buffer))) - boundaries:
        with pytest.raises(MalformedEvent):
            parse(buffer[:length])


def test_offsets_and_raw_bytes() -> None:
    first, second = parse(event(PIDFD) + event())
    assert (first.offset, second.offset) == (0, 32)
    assert (first.raw, second.raw) == (event(PIDFD), event())


def test_descriptors_are_those_that_were_opened() -> None:
    (opened,) = parse(event(PIDFD))
    assert opened.descriptors == [5, 6]
    (failed,) = parse(event(record(4, struct.pack("=i", -2)), fd=FAN_NOFD))
    assert failed.descriptors == []


def test_types_keep_the_order_of_the_buffer() -> None:
    (renamed,) = parse(event(fid(10, name=b"old\0"), fid(), PIDFD))
    assert renamed.types == [
        FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
        FAN_EVENT_INFO_TYPE_FID,
        FAN_EVENT_INFO_TYPE_PIDFD,
    ]


@pytest.mark.parametrize("records", [[], [PIDFD, PIDFD]], ids=["none", "two"])
def test_one_pidfd_must_be_one(records: list[bytes]) -> None:
    (parsed,) = parse(event(*records))
    with pytest.raises(AssertionError, match=f"expected one PidfdRecord, found {len(records)}"):
        _ = parsed.pidfd
