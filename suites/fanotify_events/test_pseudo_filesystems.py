# SPDX-License-Identifier: GPL-2.0-or-later
"""Events of filesystems whose entries the kernel makes and removes itself: devpts, cgroup, tracefs."""

import contextlib
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import skips
from helpers.fanotify import FanotifyGroup, watching
from helpers.filesystems import mounted
from helpers.handles import fsid, is_comparable
from helpers.uapi import (
    FAN_ACCESS,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_CREATE,
    FAN_DELETE,
    FAN_DELETE_SELF,
    FAN_EVENT_INFO_TYPE_DFID,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MODIFY,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    Mask,
)

NO_FSID = (0, 0)
TIOCSPTLCK = 0x40045431
"""asm-generic/ioctls.h: locks the other end of a terminal, or unlocks it."""


@contextlib.contextmanager
def terminal(directory):
    fd = os.open(directory / "ptmx", os.O_RDWR | os.O_NOCTTY)
    try:
        yield b"0"
    finally:
        os.close(fd)


@contextlib.contextmanager
def subdirectory(directory):
    (directory / "fapitest").mkdir()
    try:
        yield b"fapitest"
    finally:
        (directory / "fapitest").rmdir()


@dataclass(frozen=True)
class Kind:
    """A filesystem: options of its mount, a directory in it, and what makes an entry there and removes it again."""

    entry: Callable[[Path], contextlib.AbstractContextManager[bytes]]
    flag: Mask
    directory: str = "."
    options: str = ""


KINDS = {
    "devpts": Kind(terminal, Mask(0), options="newinstance,ptmxmode=0666"),
    "cgroup2": Kind(subdirectory, FAN_ONDIR),
    "tracefs": Kind(subdirectory, FAN_ONDIR, directory="instances"),
}
OF_DIRECTORIES = [name for name, kind in KINDS.items() if kind.flag]


@pytest.fixture
def place(kind, public_dir):
    """A directory of a filesystem of this kind."""
    with mounted("fapitest", public_dir / kind, kind, data=KINDS[kind].options) as root:
        if fsid(root) == NO_FSID or not is_comparable(root):
            skips.filesystem(f"{kind} has no fsid or no file handles here")
        directory = root / KINDS[kind].directory
        if not directory.is_dir():
            skips.kconfig(f"{kind} has no {directory.name}")
        yield directory


REPORTS = {
    FAN_REPORT_FID: FAN_EVENT_INFO_TYPE_FID,
    FAN_REPORT_DIR_FID: FAN_EVENT_INFO_TYPE_DFID,
    FAN_REPORT_DFID_NAME: FAN_EVENT_INFO_TYPE_DFID_NAME,
}


@pytest.mark.behaviour("META-PSEUDO-ENTRY")
@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("kind", KINDS)
def test_entry(place, kind, report):
    flag = KINDS[kind].flag
    with watching(place, FAN_CREATE | FAN_DELETE | flag, FAN_NONBLOCK | report) as group:
        with KINDS[kind].entry(place) as name:
            made = group.read_one()
        removed = group.read_one()
        expected = [
            (REPORTS[report], name if report & FAN_REPORT_DFID_NAME == FAN_REPORT_DFID_NAME else None)
        ]
        assert (made.mask, records(made)) == (FAN_CREATE | flag, expected)
        assert (removed.mask, records(removed)) == (FAN_DELETE | flag, expected)


def records(event):
    return [(record.type, record.name) for record in event.records]


@pytest.mark.behaviour("META-PSEUDO-SELF")
@pytest.mark.parametrize("kind", OF_DIRECTORIES)
def test_directory_itself(place, kind):
    with FanotifyGroup(FAN_NONBLOCK | FAN_REPORT_FID) as group:
        with KINDS[kind].entry(place) as name:
            group.mark(FAN_MARK_ADD, FAN_DELETE_SELF | FAN_ONDIR, place / os.fsdecode(name))
        assert group.masks() == [FAN_DELETE_SELF | FAN_ONDIR]


@pytest.mark.behaviour("META-SPECIAL-PARENT")
@pytest.mark.parametrize("report", [FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
@pytest.mark.parametrize("kind", ["devpts"])
def test_terminal(place, report):
    mask = FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_EVENT_ON_CHILD
    with watching(place, mask, FAN_NONBLOCK | report) as group, contextlib.ExitStack() as opened:
        near, far = (opened.enter_context(end) for end in both_ends(place))
        near.write(b"x\n")
        far.read(2)
        far.write(b"y\n")
        assert set(group.masks()) == {FAN_OPEN}


def both_ends(directory):
    """Open a terminal's two ends, the one that a terminal emulator has and the one that a shell has."""
    near = (directory / "ptmx").open("r+b", buffering=0)
    yield near
    fcntl.ioctl(near, TIOCSPTLCK, bytes(4))
    yield (directory / "0").open("r+b", buffering=0)


PROBE = "fapitest/open"


@pytest.fixture
def probe(place):
    """A file of a kernel probe that is there until the probe's list is emptied."""
    probes = place.parent / "kprobe_events"
    if not probes.exists():
        skips.kconfig("tracefs has no kprobe_events: CONFIG_KPROBE_EVENTS")
    probes.write_text(f"p:{PROBE} do_sys_openat2\n")
    yield place.parent / "events" / PROBE / "enable"
    probes.write_text("")


@pytest.mark.behaviour("META-PSEUDO-PROBE")
@pytest.mark.parametrize("kind", ["tracefs"])
def test_file_of_a_probe_that_is_removed(place, probe):
    with watching(probe, FAN_OPEN | FAN_CLOSE) as group:
        assert probe.read_text() == "0\n"
        assert group.masks() == [FAN_OPEN | FAN_CLOSE_NOWRITE]
        (place.parent / "kprobe_events").write_text("")
        assert not probe.exists()
        group.assert_empty()
