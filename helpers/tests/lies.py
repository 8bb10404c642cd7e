# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that lies, as a plugin of pytest: `-p helpers.tests.lies` runs the tests that must catch it, lie after lie.

A lie changes what read(2) on a group returned, for events of certain masks. It is told while the test's own function
runs: what the kernel can do was found out before. Each test is expected to fail; one that passes fails the run.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from helpers.events import (
    ErrorRecord,
    Event,
    FidRecord,
    MalformedEvent,
    MntRecord,
    PidfdRecord,
    RangeRecord,
    Record,
    parse,
)
from helpers.fanotify import BUFFER_SIZE, FanotifyGroup
from helpers.layout import packed, packed_record
from helpers.plugin import describe
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ATTRIB,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_EPIDFD,
    FAN_EVENT_INFO_TYPE_DFID,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
    FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
    FAN_EVENT_ON_CHILD,
    FAN_FS_ERROR,
    FAN_MNT_ATTACH,
    FAN_MOVE_SELF,
    FAN_MOVED_FROM,
    FAN_MOVED_TO,
    FAN_NOPIDFD,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_EXEC,
    FAN_PRE_ACCESS,
    FAN_Q_OVERFLOW,
    FAN_RENAME,
    InfoType,
    Mask,
)

Change = Callable[[Event], bytes]
"""Returns the bytes that a lying kernel returns for an event."""


@dataclass(frozen=True)
class Lie:
    """What is said instead of events of a mask, and the test that must fail then: its id below suites/."""

    name: str
    mask: Mask
    change: Change
    caught_by: str

    @property
    def test(self) -> str:
        """The id of the test under this lie, below suites/."""
        function, bracket, parameters = self.caught_by.partition("[")
        return f"{function}<{self.name}>{bracket}{parameters}"

    def told(self, true: bytes) -> bytes:
        """Return what a lying kernel returns instead of these events."""
        return b"".join(self.change(event) if event.mask & self.mask else event.raw for event in parse(true))


# Lies about the event


def said(**fields: Any) -> Change:
    """Say something else in the metadata."""
    return lambda event: packed(replace(event, **fields))


def masked(more: int = 0, less: int = 0) -> Change:
    """Add bits to the mask, and take some away."""
    return lambda event: packed(replace(event, mask=Mask(event.mask & ~less | more)))


def twice(event: Event) -> bytes:
    """Report the event twice, each time with descriptors of its own."""
    fd = os.dup(event.fd) if event.fd >= 0 else event.fd
    return event.raw + packed(replace(event, fd=fd, records=tuple(map(_again, event.records))))


def _again(record: Record) -> Record:
    if isinstance(record, PidfdRecord) and record.pidfd >= 0:
        return replace(record, pidfd=os.dup(record.pidfd))
    return record


def never(_event: Event) -> bytes:
    """Report no event."""
    return b""


def overwritten(offset: int, value: bytes) -> Change:
    """Have other bytes at an offset."""
    return lambda event: event.raw[:offset] + value + event.raw[offset + len(value) :]


def last_record(offset: int, form: str, change: Callable[[int], int], more: bytes = b"") -> Change:
    """Have another number in the last record, and perhaps more bytes behind it, which event_len counts."""

    def told(event: Event) -> bytes:
        raw = bytearray(event.raw + more)
        at = len(event.raw) - len(packed_record(event.records[-1])) + offset
        struct.pack_into(form, raw, at, change(*struct.unpack_from(form, raw, at)))
        struct.pack_into("=I", raw, 0, len(raw))
        return bytes(raw)

    return told


def an_open_file(event: Event) -> bytes:
    """Give a descriptor in place of FAN_NOFD."""
    return packed(replace(event, fd=os.open("/", os.O_RDONLY)))


# Lies about the records


def records(change: Callable[[Sequence[Record]], Iterable[Record]]) -> Change:
    """Have other records, or in another order."""
    return lambda event: packed(replace(event, records=tuple(change(event.records))))


def each(kind: type[Record], **changes: Callable[[Any], object]) -> Change:
    """Say something else in each record of a class: field -> what to say, from the record."""
    return records(
        lambda found: [_changed(record, changes) if isinstance(record, kind) else record for record in found]
    )


def fid(*types: InfoType, **changes: Callable[[Any], object]) -> Change:
    """Say something else in each record of these types, all of which have a file handle."""
    return records(
        lambda found: [_changed(record, changes) if record.type in types else record for record in found]
    )


def _changed(record: Any, changes: dict[str, Callable[[Any], object]]) -> Any:
    return replace(record, **{name: change(record) for name, change in changes.items()})


def exchanged(field: str, *types: InfoType) -> Change:
    """Exchange a field of the two records of these types, where there are both."""

    def change(found: Sequence[Any]) -> Iterable[Record]:
        values = [getattr(record, field) for record in found if record.type in types]
        swapped = iter(values[::-1])
        return [
            replace(record, **{field: next(swapped)}) if record.type in types else record for record in found
        ]

    return records(change)


def without(*types: InfoType) -> Change:
    """Leave out the records of these types."""
    return records(lambda found: [record for record in found if record.type not in types])


def doubled(*types: InfoType) -> Change:
    """Have the records of these types twice."""
    return records(
        lambda found: [
            one
            for record in found
            for one in ([record, _again(record)] if record.type in types else [record])
        ]
    )


OBJECT, DIRECTORY, NAMED = (
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_INFO_TYPE_DFID,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
)
OLD, NEW = FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME
FIDS = (OBJECT, DIRECTORY, NAMED, OLD, NEW)
PIDFD = InfoType.FAN_EVENT_INFO_TYPE_PIDFD


def reversed_handle(record: FidRecord) -> bytes:
    return record.handle[::-1]


def another_name(_record: FidRecord) -> bytes:
    return b"another"


def without_a_byte(record: FidRecord) -> bytes | None:
    return record.name[:-1] if record.name and len(record.name) > 1 else record.name


def with_a_byte(record: FidRecord) -> bytes | None:
    return record.name and record.name + b"x"


def in_upper_case(record: FidRecord) -> bytes | None:
    return record.name and record.name.upper()


def last_byte_inverted(record: FidRecord) -> bytes:
    return record.handle[:-1] + bytes([record.handle[-1] ^ 0xFF])


def other_answer(record: PidfdRecord) -> int:
    return {FAN_NOPIDFD: FAN_EPIDFD, FAN_EPIDFD: FAN_NOPIDFD}.get(record.pidfd, record.pidfd)


def pidfd_of(pid: Callable[[], int]) -> Change:
    return each(PidfdRecord, pidfd=lambda _record: os.pidfd_open(pid()))


def the_file_as_pidfd(event: Event) -> bytes:
    """Have another descriptor of the file in place of the pidfd, and of some file beside a file handle."""

    def opened(_record: PidfdRecord) -> int:
        return os.dup(event.fd) if event.fd >= 0 else os.open("/", os.O_RDONLY)

    return each(PidfdRecord, pidfd=opened)(event)


def whole(operation: str) -> str:
    return f"fanotify_info/test_whole_records.py::test_records[ext4-{operation}]"


OVERFLOW = "fanotify_events/test_overflow.py::test_overflow[FAN_REPORT_FID]"
OVERFLOW_WITH_PIDFD = "fanotify_events/test_overflow.py::test_overflow_with_a_pidfd[FAN_NOPIDFD]"
ERROR = "fanotify_info/test_errors.py::test_error_without_an_inode"
INODE_ERROR = "fanotify_info/test_whole_errors.py::test_error_of_an_inode"
RANGE = "fanotify_info/test_ranges.py::test_layout"
RANGES = "fanotify_info/test_ranges.py::test_range_is_whole_pages[read-in-the-second-page]"
MOUNT = "fanotify_info/test_mounts.py::test_layout"
DIRECTORY_EVENT = "fanotify_events/test_directories.py::test_ondir_beside_a_handle[FAN_REPORT_FID]"
EXECUTION = "fanotify_events/test_use_of_files.py::test_execution"
PADDED = "fanotify_info/test_names.py::test_name_and_padding[5]"
NO_PIDFD = "fanotify_pidfd/test_descriptors.py::test_no_descriptor_in_a_group_of_file_handles"

LIES = [
    # names
    Lie("name-of-a-child", FAN_OPEN, fid(NAMED, name=another_name), whole("open")),
    Lie("name-of-a-new-entry", FAN_CREATE, fid(NAMED, name=another_name), whole("create")),
    Lie("name-of-a-removed-file", FAN_DELETE, fid(NAMED, name=another_name), whole("unlink")),
    Lie("name-of-a-removed-directory", FAN_DELETE, fid(NAMED, name=another_name), whole("rmdir")),
    Lie("name-that-was-moved", FAN_MOVED_FROM, fid(NAMED, name=another_name), whole("rename-from")),
    Lie("name-that-it-was-moved-to", FAN_MOVED_TO, fid(NAMED, name=another_name), whole("rename-to")),
    Lie("old-name", FAN_RENAME, fid(OLD, name=another_name), whole("rename")),
    Lie("new-name", FAN_RENAME, fid(NEW, name=another_name), whole("rename")),
    Lie("old-and-new-name-exchanged", FAN_RENAME, exchanged("name", OLD, NEW), whole("rename")),
    Lie("name-of-a-changed-file", FAN_ATTRIB, fid(NAMED, name=another_name), whole("chmod")),
    Lie("dot-dot", FAN_ONDIR, fid(NAMED, name=lambda _record: b".."), whole("open-directory")),
    Lie("name-without-its-last-byte", FAN_OPEN, fid(NAMED, name=without_a_byte), whole("open")),
    Lie("name-with-a-byte-more", FAN_OPEN, fid(NAMED, name=with_a_byte), whole("open")),
    Lie("name-in-upper-case", FAN_OPEN, fid(NAMED, name=in_upper_case), whole("open")),
    # handles
    Lie("handle-of-an-object", FAN_OPEN, fid(OBJECT, handle=reversed_handle), whole("open")),
    Lie("handle-of-the-parent", FAN_OPEN, fid(DIRECTORY, handle=reversed_handle), whole("open")),
    Lie("handle-of-the-parent-by-name", FAN_OPEN, fid(NAMED, handle=reversed_handle), whole("open")),
    Lie("all-handles", FAN_OPEN, fid(*FIDS, handle=reversed_handle), whole("open")),
    Lie("handles-exchanged", FAN_OPEN, exchanged("handle", DIRECTORY, OBJECT), whole("open")),
    Lie("handles-exchanged-by-name", FAN_OPEN, exchanged("handle", NAMED, OBJECT), whole("open")),
    Lie("handle-of-a-written-file", Mask.FAN_MODIFY, fid(OBJECT, handle=reversed_handle), whole("write")),
    Lie("handle-of-a-changed-file", FAN_ATTRIB, fid(OBJECT, handle=reversed_handle), whole("chmod")),
    Lie(
        "handle-of-a-changed-directory",
        FAN_ATTRIB,
        fid(DIRECTORY, handle=reversed_handle),
        whole("chmod-directory"),
    ),
    Lie("handle-of-a-directory", FAN_ONDIR, fid(NAMED, handle=reversed_handle), whole("open-directory")),
    Lie("handle-of-a-new-entry", FAN_CREATE, fid(OBJECT, handle=reversed_handle), whole("create")),
    Lie(
        "handle-of-the-directory-of-a-new-entry",
        FAN_CREATE,
        fid(NAMED, handle=reversed_handle),
        whole("create"),
    ),
    Lie("handle-of-a-removed-entry", FAN_DELETE, fid(OBJECT, handle=reversed_handle), whole("unlink")),
    Lie(
        "handle-of-the-directory-of-a-removed-entry",
        FAN_DELETE,
        fid(NAMED, handle=reversed_handle),
        whole("unlink"),
    ),
    Lie("directory-moved-from", FAN_MOVED_FROM, fid(NAMED, handle=reversed_handle), whole("move-from")),
    Lie("directory-moved-to", FAN_MOVED_TO, fid(NAMED, handle=reversed_handle), whole("move-to")),
    Lie("handle-of-what-was-renamed", FAN_RENAME, fid(OBJECT, handle=reversed_handle), whole("rename")),
    Lie("old-and-new-directory-exchanged", FAN_RENAME, exchanged("handle", OLD, NEW), whole("move")),
    Lie(
        "handle-of-what-was-deleted",
        FAN_DELETE_SELF,
        fid(OBJECT, handle=reversed_handle),
        whole("unlink-self"),
    ),
    Lie("handle-of-what-was-moved", FAN_MOVE_SELF, fid(OBJECT, handle=reversed_handle), whole("move-self")),
    Lie("handle-without-its-last-byte", FAN_OPEN, fid(OBJECT, handle=lambda r: r.handle[:-1]), whole("open")),
    Lie("handle-of-another-generation", FAN_OPEN, fid(OBJECT, handle=last_byte_inverted), whole("open")),
    Lie("handle-of-an-executed-file", FAN_OPEN_EXEC, fid(OBJECT, handle=reversed_handle), whole("execve")),
    Lie("handle-type", FAN_OPEN, fid(*FIDS, handle_type=lambda r: r.handle_type + 1), whole("open")),
    Lie(
        "handle-type-of-the-parent",
        FAN_OPEN,
        fid(NAMED, handle_type=lambda r: r.handle_type + 1),
        whole("open"),
    ),
    # filesystems
    Lie("fsid-exchanged", FAN_OPEN, fid(*FIDS, fsid=lambda r: r.fsid[::-1]), whole("open")),
    Lie("fsid-of-the-second-record", FAN_OPEN, fid(OBJECT, fsid=lambda r: r.fsid[::-1]), whole("open")),
    Lie("fsid-zero", FAN_DELETE, fid(*FIDS, fsid=lambda _record: (0, 0)), whole("unlink")),
    # which records, and in what order
    Lie("records-reversed", FAN_OPEN, records(lambda found: found[::-1]), whole("open")),
    Lie("old-and-new-record-exchanged", FAN_RENAME, records(lambda r: [*r[1::-1], *r[2:]]), whole("move")),
    Lie("no-record-of-the-directory", FAN_OPEN, without(DIRECTORY), whole("open")),
    Lie("no-record-of-the-object", FAN_OPEN, without(OBJECT), whole("open")),
    Lie("no-target", FAN_CREATE, without(OBJECT), whole("create")),
    Lie("no-old-record", FAN_RENAME, without(OLD), whole("move")),
    Lie("no-new-record", FAN_RENAME, without(NEW), whole("move")),
    Lie("object-twice", FAN_OPEN, doubled(OBJECT), whole("open")),
    Lie("entry-twice", FAN_DELETE, doubled(NAMED), whole("unlink")),
    Lie("directory-as-object", FAN_OPEN, fid(DIRECTORY, type=lambda _record: OBJECT), whole("open")),
    Lie("object-as-directory", FAN_OPEN, fid(OBJECT, type=lambda _record: DIRECTORY), whole("open")),
    Lie("old-entry-as-entry", FAN_RENAME, fid(OLD, type=lambda _record: NAMED), whole("rename")),
    Lie(
        "no-name",
        FAN_CREATE,
        fid(NAMED, type=lambda _record: DIRECTORY, name=lambda _record: None),
        whole("create"),
    ),
    # pidfds
    Lie("no-pidfd", FAN_OPEN, without(PIDFD), whole("open")),
    Lie("pidfd-twice", FAN_OPEN, doubled(PIDFD), whole("open")),
    Lie("pidfd-of-the-parent-process", FAN_OPEN, pidfd_of(os.getppid), whole("open")),
    Lie("file-as-pidfd", FAN_OPEN, the_file_as_pidfd, whole("open")),
    Lie(
        "other-reason-for-no-pidfd",
        FAN_Q_OVERFLOW,
        each(PidfdRecord, pidfd=other_answer),
        OVERFLOW_WITH_PIDFD,
    ),
    Lie("other-failure-of-a-pidfd", FAN_OPEN, each(PidfdRecord, pidfd=other_answer), NO_PIDFD),
    # metadata
    Lie("no-ondir", FAN_ONDIR, masked(less=FAN_ONDIR), DIRECTORY_EVENT),
    Lie("no-ondir-of-a-new-directory", FAN_ONDIR, masked(less=FAN_ONDIR), whole("mkdir")),
    Lie("ondir-of-a-file", FAN_OPEN, masked(more=FAN_ONDIR), whole("open")),
    Lie("event-on-child", FAN_OPEN, masked(more=FAN_EVENT_ON_CHILD), whole("open")),
    Lie("another-event-too", FAN_OPEN, masked(more=FAN_ACCESS), whole("open")),
    Lie("no-open-exec", FAN_OPEN_EXEC, masked(less=FAN_OPEN_EXEC), EXECUTION),
    Lie("pid-zero", FAN_OPEN, said(pid=0), whole("open")),
    Lie("pid-of-the-parent-process", FAN_DELETE, said(pid=os.getppid()), whole("unlink")),
    Lie("descriptor-beside-a-handle", FAN_CREATE, an_open_file, whole("create")),
    Lie("overflow-with-a-pid", FAN_Q_OVERFLOW, said(pid=1), OVERFLOW),
    Lie("overflow-with-an-error", FAN_Q_OVERFLOW, said(fd=-9), OVERFLOW),
    Lie("event-twice", FAN_OPEN, twice, whole("open")),
    Lie("event-lost", FAN_MOVE_SELF, never, whole("move-self")),
    # layout
    Lie("version", FAN_OPEN, overwritten(4, b"\x02"), whole("open")),
    Lie("reserved-byte", FAN_OPEN, overwritten(5, b"\x01"), whole("open")),
    Lie("length-of-the-metadata", FAN_OPEN, overwritten(6, b"\x20"), whole("open")),
    Lie("padding", FAN_CREATE, overwritten(-1, b"\x01"), PADDED),
    Lie("more-padding", FAN_CREATE, last_record(2, "=H", lambda length: length + 4, bytes(4)), PADDED),
    Lie("pad-of-a-record", FAN_CREATE, last_record(1, "=B", lambda _pad: 9), whole("create")),
    Lie("longer-record", FAN_CREATE, last_record(2, "=H", lambda length: length + 4), whole("create")),
    Lie("shorter-record", FAN_CREATE, last_record(2, "=H", lambda length: length - 4), whole("create")),
    Lie("shorter-handle", FAN_CREATE, last_record(12, "=I", lambda size: size - 1), PADDED),
    # other records
    Lie("another-errno", FAN_FS_ERROR, each(ErrorRecord, error=lambda r: r.error + 1), ERROR),
    Lie("more-errors", FAN_FS_ERROR, each(ErrorRecord, count=lambda r: r.count + 1), ERROR),
    Lie("handle-of-an-error", FAN_FS_ERROR, fid(OBJECT, handle=lambda _record: b"handle!!"), ERROR),
    Lie("handle-of-a-broken-inode", FAN_FS_ERROR, fid(OBJECT, handle=reversed_handle), INODE_ERROR),
    Lie("longer-range", FAN_PRE_ACCESS, each(RangeRecord, count=lambda r: r.count + 1), RANGE),
    Lie("another-range", FAN_PRE_ACCESS, each(RangeRecord, offset=lambda _record: 0), RANGES),
    Lie("pad-of-a-range", FAN_PRE_ACCESS, last_record(4, "=I", lambda _pad: 5), RANGE),
    Lie("another-mount", FAN_MNT_ATTACH, each(MntRecord, mnt_id=lambda r: r.mnt_id + 1), MOUNT),
    Lie("hole-in-a-mount-record", FAN_MNT_ATTACH, last_record(4, "=I", lambda _hole: 5), MOUNT),
]
"""The audit's lies, and more of the same kinds."""

_LIE = pytest.StashKey[Lie]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run, of the tests that were collected, those that must catch a lie: once as they are, and once for each lie."""
    tests = {item.nodeid.removeprefix("suites/"): item for item in items}
    honest = dict.fromkeys(tests[lie.caught_by] for lie in LIES)
    items[:] = [*honest, *(_lied_to(tests[lie.caught_by], lie) for lie in LIES)]


def _lied_to(test: pytest.Item, lie: Lie) -> pytest.Item:
    """Return another item of the same test, which is expected to fail."""
    assert isinstance(test, pytest.Function)
    name = lie.test.rpartition("::")[2]
    made: pytest.Function = pytest.Function.from_parent(
        test.parent,
        name=name,
        callspec=getattr(test, "callspec", None),
        callobj=test.obj,
        fixtureinfo=test._fixtureinfo,
        originalname=name.partition("[")[0],
    )
    describe(made)
    made.stash[_LIE] = lie
    made.add_marker(pytest.mark.xfail(raises=AssertionError, strict=True, reason=lie.name))
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Lie to the test, if it is to be."""
    lie, read_bytes = item.stash.get(_LIE, None), FanotifyGroup.read_bytes
    if lie is None:
        return (yield)

    def lying(group: FanotifyGroup, size: int = BUFFER_SIZE) -> bytes:
        true = read_bytes(group, size)
        told = lie.told(true)
        for fd in _descriptors(true) - _descriptors(told):  # the test does not know of these
            os.close(fd)
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FanotifyGroup, "read_bytes", lying)
        return (yield)


def _descriptors(buffer: bytes) -> set[int]:
    with contextlib.suppress(MalformedEvent):
        return {fd for event in parse(buffer) for fd in event.descriptors}
    return set()
