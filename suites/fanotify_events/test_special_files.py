# SPDX-License-Identifier: GPL-2.0-or-later
"""FIFOs and devices: who hears of what is read from them and written to them, and who must not."""

import os
import stat

import pytest

from helpers.fanotify import watching
from helpers.uapi import (
    FAN_ACCESS,
    FAN_CLOSE,
    FAN_CLOSE_WRITE,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_INODE,
    FAN_MODIFY,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID,
)

USE = FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE
BY_REPORT = pytest.mark.parametrize("report", [FAN_REPORT_FID, FAN_REPORT_DFID_NAME])
FILES = {"fifo": (stat.S_IFIFO, 0), "device": (stat.S_IFCHR, os.makedev(1, 5))}
"""The kind and the number of the file; the device is /dev/zero."""


@pytest.fixture(params=FILES)
def special(request, ext4_dir):
    """A FIFO or a device in a directory."""
    kind, number = FILES[request.param]
    os.mknod(ext4_dir / "special", kind | 0o600, number)
    return ext4_dir / "special"


def write_and_read(path):
    fd = os.open(path, os.O_RDWR)
    try:
        os.write(fd, b"x")
        os.read(fd, 1)
    finally:
        os.close(fd)


@pytest.mark.behaviour("META-SPECIAL-PARENT")
@BY_REPORT
def test_directory_is_watched(special, report):
    with watching(special.parent, USE | FAN_EVENT_ON_CHILD, FAN_NONBLOCK | report) as group:
        write_and_read(special)
        assert group.masks() == [FAN_OPEN | FAN_CLOSE_WRITE]


@pytest.mark.behaviour("META-SPECIAL-OWN")
@BY_REPORT
@pytest.mark.parametrize("kind", [FAN_MARK_INODE, FAN_MARK_FILESYSTEM])
def test_file_is_watched(special, kind, report):
    with watching(special, USE, FAN_NONBLOCK | report, mark=kind) as group:
        write_and_read(special)
        assert group.masks() == [FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE_WRITE]


@pytest.mark.behaviour("META-SPECIAL-PLAIN")
@pytest.mark.parametrize("kind", [FAN_MARK_INODE, FAN_MARK_FILESYSTEM])
def test_descriptors_are_reported(special, kind):
    with watching(special, USE, mark=kind) as group:
        write_and_read(special)
        group.assert_empty()
