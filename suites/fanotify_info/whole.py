# SPDX-License-Identifier: GPL-2.0-or-later
"""One operation under one mark: what the event must be, byte for byte, and in what the one that was read differs."""

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from helpers.errors import OK, Deviation, outcome
from helpers.events import Event, FidRecord, MalformedEvent, PidfdRecord, Record, parse
from helpers.fanotify import FanotifyGroup
from helpers.handles import FileHandle, fsid, name_to_handle
from helpers.layout import METADATA, packed
from helpers.pidfd import own_pidfd
from helpers.uapi import (
    AT_HANDLE_FID,
    FAN_ATTRIB,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_MARK_ADD,
    FAN_MARK_FLUSH,
    FAN_MARK_INODE,
    FAN_MOVE,
    FAN_MOVE_SELF,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_NAME,
    FAN_REPORT_PIDFD,
    Init,
)
from suites.fanotify_info.kinds import OF_A_FILE, Facts, Kind
from suites.fanotify_info.operations import NAMES, Operation, Place, Watch

FIDS = list(OF_A_FILE.records)
"""Every combination of file handles and names that fanotify_init(2) allows, none of them included."""
PIDFDS = (Init(0), FAN_REPORT_PIDFD)

_NEED_HANDLES = FAN_ATTRIB | FAN_CREATE | FAN_DELETE | FAN_MOVE | FAN_RENAME | FAN_DELETE_SELF | FAN_MOVE_SELF


Groups = dict[Init, FanotifyGroup]


@contextlib.contextmanager
def groups() -> Iterator[Groups]:
    """Have a group for each way to report."""
    flags = [fids | more for fids in FIDS for more in PIDFDS]
    with contextlib.ExitStack() as undo:
        yield {each: undo.enter_context(FanotifyGroup(each | FAN_NONBLOCK)) for each in flags}


@dataclass(frozen=True)
class Case:
    """What is done, what is marked, and of which kind the event is then."""

    operation: Operation
    watch: Watch
    kind: Kind

    def fids(self, *, whole: bool) -> list[Init]:
        """Return the ways to report file handles with which a group may have the mark: fanotify_mark(2), EINVAL.

        `whole` tells whether file handles are reported of all of the filesystem, and not of marked objects alone.
        """
        if self.watch.flags != FAN_MARK_INODE and not whole:
            allowed = [Init(0)]
        elif self.operation.mask & FAN_RENAME:
            allowed = [fids for fids in FIDS if fids & FAN_REPORT_NAME]
        else:
            allowed = FIDS
        return [fids for fids in allowed if fids or not self.operation.mask & _NEED_HANDLES]

    def __str__(self) -> str:
        """Return what failures are told by."""
        return f"{self.operation.name}, mark on {self.watch.name}"


class _Seen(NamedTuple):
    """An object by its file handle, and by its inode."""

    handle: FileHandle
    status: os.stat_result


class Filesystem:
    """A filesystem, whose objects are known by fsid and file handle.

    Each case is done in a place of its own, with other names than the one before.
    """

    def __init__(self, directory: Path, groups: Groups, *, whole: bool, alone: bool) -> None:
        """Take an empty directory of it.

        Args:
            directory: where the places are made.
            groups: those that watch, without a mark.
            whole: whether file handles are reported of all of the filesystem, and not of marked objects alone.
            alone: whether the groups watch one after the other, and not all at once. What the kernel must know for one
                (the parent, the name) may be there because it must know it for another; but it takes much longer.
        """
        self._directory, self._groups, self._whole, self._alone = directory, groups, whole, alone
        can_be_opened = outcome(name_to_handle, directory) == OK
        self._flags = 0 if can_be_opened else AT_HANDLE_FID
        self._fsid = fsid(directory)
        with own_pidfd() as fd:
            # Since 6.9 it tells a process from all others; before, a pidfd from a file.
            self._process = os.fstat(fd)

    def deviations(self, operation: Operation) -> Iterator[Deviation]:
        """Hold the kernel to all that the table says of an operation."""
        names = itertools.cycle(NAMES)
        for number, (case, fids) in enumerate(self._cases(operation)):
            place = Place(self._directory / str(number), next(names))
            yield from self._held(case, place, [self._groups[flags] for flags in self._reports(fids, number)])

    def _reports(self, fids: list[Init], number: int) -> list[Init]:
        """Return what groups report that watch at once: all with and without pidfds, or each second one with them."""
        if self._alone:
            return [each | more for each in fids for more in PIDFDS]
        return [each | PIDFDS[(number + index) % 2] for index, each in enumerate(fids)]

    def _cases(self, operation: Operation) -> Iterator[tuple[Case, list[Init]]]:
        """Return the cases of an operation, and what the groups report that watch it at once beside pidfds."""
        for watch, kind in operation.kinds.items():
            case = Case(operation, watch, kind)
            fids = case.fids(whole=self._whole)
            if self._alone:
                yield from ((case, [one]) for one in fids)
            elif fids:
                yield case, fids

    def _held(self, case: Case, place: Place, groups: Sequence[FanotifyGroup]) -> Iterator[Deviation]:
        operation, watch = case.operation, case.watch
        operation.prepare(place)
        try:
            for group, where in itertools.product(groups, watch.where):
                group.mark(FAN_MARK_ADD | watch.flags, operation.mask | watch.more, where(place))
            before = self._look(place.path)
            operation.act(place)
            facts, status = self._facts(operation, place, before)
            for group in groups:
                yield from self._judged(case, group, facts, status)
        finally:
            for group in groups:
                group.mark(FAN_MARK_FLUSH | watch.flags, 0, place.top)

    def _judged(
        self, case: Case, group: FanotifyGroup, facts: Facts, status: os.stat_result
    ) -> Iterator[Deviation]:
        """Compare what was read with what must be, and look at what the descriptors in it refer to."""
        raw = _read(group)
        expected = _expected(case, group.flags, facts, raw)
        if raw != b"".join(map(packed, expected)):
            yield _difference(case, group, expected, raw)
            return
        for event in expected:
            if event.fd != FAN_NOFD and not _is_same(event.fd, status):
                yield Deviation("META-FD-NOFID", f"{case}, {group}: the descriptor is not of the object")
            if group.flags & FAN_REPORT_PIDFD and not _is_same(event.pidfd, self._process):
                yield Deviation("INFO-PIDFD-SINGLE", f"{case}, {group}: the pidfd is not of this process")
        _close(expected)

    def _facts(
        self, operation: Operation, place: Place, before: _Seen | None
    ) -> tuple[Facts, os.stat_result]:
        """Return what there is to know once the operation is done, beside what had been there before."""
        entry = operation.entry(place)
        seen = before or self._look(entry)
        assert seen, f"{operation.name} has not made what it should"
        facts = Facts(
            fsid=self._fsid,
            object=seen.handle,
            directory=self._handle(entry.parent),
            name=os.fsencode(entry.name),
            old_directory=self._handle(place.directory),
            old_name=os.fsencode(place.path.name),
        )
        return facts, seen.status

    def _look(self, path: Path) -> _Seen | None:
        return _Seen(self._handle(path), path.lstat()) if os.path.lexists(path) else None

    def _handle(self, path: Path) -> FileHandle:
        return name_to_handle(path, self._flags)


def _read(group: FanotifyGroup) -> bytes:
    try:
        return group.read_bytes()
    except BlockingIOError:
        return b""


def _expected(case: Case, flags: Init, facts: Facts, raw: bytes) -> list[Event]:
    """Return the events that must be read; in `raw` are those that were, for the numbers of their descriptors."""
    fids, mask = flags & FAN_REPORT_DFID_NAME_TARGET, case.operation.mask
    if fids not in case.kind.records:
        return []
    records: list[Record] = [template(facts) for template in case.kind.records[fids]]
    if flags & FAN_REPORT_PIDFD:
        records.append(PidfdRecord(int.from_bytes(raw[-4:], sys.byteorder, signed=True)))
    if fids:
        return [Event(mask, FAN_NOFD, os.getpid(), tuple(records))]
    *_, fd, _ = METADATA.unpack(raw[: METADATA.size].ljust(METADATA.size, b"\0"))
    return [Event(mask & ~FAN_ONDIR, fd, os.getpid(), tuple(records))]


def _is_same(fd: int, status: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(fd), status)
    return False


def _close(events: Sequence[Event]) -> None:
    for fd in itertools.chain.from_iterable(event.descriptors for event in events):
        os.close(fd)


def _fsids(event: Event) -> list[tuple[int, int]]:
    return [record.fsid for record in event.records if isinstance(record, FidRecord)]


_ASPECTS: Sequence[tuple[str, Callable[[Event], object]]] = (
    # the behaviour that it belongs to, "" for that of the kind of event; what is compared of each event
    ("", lambda event: (event.mask, event.types)),
    ("INFO-FID-FSID", _fsids),
    ("", lambda event: event),
)


def _difference(case: Case, group: FanotifyGroup, expected: Sequence[Event], raw: bytes) -> Deviation:
    """Return in what events that were read differ from those that were expected."""
    try:
        read = parse(raw)
    except MalformedEvent as error:
        return Deviation("INFO-FID-LAYOUT", f"{case}, {group}: {error}")
    _close(read)
    differing = (
        behaviour or case.kind.behaviour
        for behaviour, aspect in _ASPECTS
        if list(map(aspect, expected)) != list(map(aspect, read))
    )
    return Deviation(next(differing, "INFO-FID-LAYOUT"), f"{case}, {group}: expected {expected}, read {read}")
