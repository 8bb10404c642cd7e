# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and writing a file without read(2) and write(2): AIO, io_uring, and ranges that two files share."""

import fcntl
import os
import struct

import pytest

from helpers.fanotify import watching
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import FAN_ACCESS, FAN_MODIFY, FAN_NONBLOCK, FAN_REPORT_FID, Init
from suites.fanotify_events.asynchronous import aio_read, aio_write, uring_read, uring_write

BY_REPORT = pytest.mark.parametrize("report", [Init(0), FAN_REPORT_FID])
SIZE = 4096
SHARING_FILESYSTEMS = pytest.mark.parametrize("filesystem", ["xfs", "btrfs"], indirect=True)

# linux/fs.h: FICLONE; FIDEDUPERANGE, and its structure for one range: offset, length, count, padding, and then
# descriptor, offset, bytes, status, padding.
FICLONE, FIDEDUPERANGE = 0x40049409, 0xC0189436
DEDUPE = struct.Struct("=QQHHIqQQiI")


# behaviour, what it takes, the call, its second argument, and the events that a group gets
WAYS = [
    ("META-AIO", Feature.AIO, aio_read, 4, []),
    ("META-AIO", Feature.AIO, aio_write, b"new", []),
    ("META-URING", Feature.IO_URING, uring_read, 4, [FAN_ACCESS]),
    ("META-URING", Feature.IO_URING, uring_write, b"new", [FAN_MODIFY]),
]


@BY_REPORT
@pytest.mark.parametrize(
    ("call", "argument", "expected"),
    [
        pytest.param(*row, marks=[pytest.mark.behaviour(id_), requires(feature)], id=row[0].__name__)
        for id_, feature, *row in WAYS
    ],
)
def test_asynchronous(file, call, argument, expected, report):
    with file.open("r+b") as opened, watching(file, FAN_ACCESS | FAN_MODIFY, FAN_NONBLOCK | report) as group:
        assert call(opened.fileno(), argument) > 0
        assert group.masks() == expected


@pytest.fixture
def two_files(filesystem_dir):
    """Two files with the same content, open for reading and for writing."""
    source, target = filesystem_dir / "source", filesystem_dir / "target"
    for path in (source, target):
        path.write_bytes(b"x" * SIZE)
    with source.open("rb") as reading, target.open("r+b") as writing:
        yield reading, writing


def clone(reading, writing):
    fcntl.ioctl(writing, FICLONE, reading.fileno())


def deduplicate(reading, writing):
    asked = DEDUPE.pack(0, SIZE, 1, 0, 0, writing.fileno(), 0, 0, 0, 0)
    *_, shared, status, _ = DEDUPE.unpack(fcntl.ioctl(reading, FIDEDUPERANGE, asked))
    assert (shared, status) == (SIZE, 0)


def copy(reading, writing):
    assert os.copy_file_range(reading.fileno(), writing.fileno(), SIZE) == SIZE


@pytest.mark.behaviour("META-CLONE")
@BY_REPORT
@SHARING_FILESYSTEMS
@pytest.mark.parametrize(
    ("act", "read", "written"),
    [(clone, [FAN_ACCESS], [FAN_MODIFY]), (copy, [FAN_ACCESS], [FAN_MODIFY]), (deduplicate, [], [])],
)
def test_shared_range(two_files, act, read, written, report):
    reading, writing = two_files
    with (
        watching(reading.name, FAN_ACCESS | FAN_MODIFY, FAN_NONBLOCK | report) as of_source,
        watching(writing.name, FAN_ACCESS | FAN_MODIFY, FAN_NONBLOCK | report) as of_target,
    ):
        act(reading, writing)
        assert (of_source.masks(), of_target.masks()) == (read, written)
