# SPDX-License-Identifier: GPL-2.0-or-later
"""The descriptor of an event: of what it is, how it was opened, and what there is instead."""

import contextlib
import fcntl
import os
import shutil
import subprocess
from errno import EAGAIN, EBADF, EMFILE, EROFS, ETXTBSY
from pathlib import Path

import pytest

from helpers import filesystems
from helpers.descriptors import exhausted
from helpers.errors import expect
from helpers.fanotify import watching
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS,
    FAN_CLOSE,
    FAN_MODIFY,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    O_APPEND,
    O_CLOEXEC,
    O_DSYNC,
    O_LARGEFILE,
    O_NOATIME,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_SYNC,
    O_WRONLY,
    Open,
)

EVERYTHING = FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE
INTERNAL = 0x6000000
"""Bits of no flag, by which kernels before 6.14 know such a descriptor, and which they show."""
FLAGS = [
    O_RDONLY,
    O_WRONLY,
    O_RDWR,
    O_RDONLY | O_CLOEXEC,
    O_RDWR | O_CLOEXEC,
    O_RDWR | O_APPEND,
    O_RDONLY | O_NONBLOCK,
    O_RDONLY | O_NOATIME,
    O_RDWR | O_SYNC,
    O_RDWR | O_DSYNC,
    O_RDWR | O_LARGEFILE,
]


@pytest.mark.behaviour("META-FD-NOFID")
def test_descriptor_of_the_object(file):
    with watching(file, FAN_OPEN) as group, file.open("rb") as opened:
        fd = group.read_one().fd
        assert os.path.samestat(os.fstat(fd), file.stat())
        opened.seek(3)
        assert os.read(fd, 100) == b"content"


@pytest.mark.behaviour("META-FD-UNLINKED")
def test_descriptor_of_a_removed_file(file):
    with watching(file, FAN_OPEN) as group:
        file.read_bytes()
        file.unlink()
        fd = group.read_one().fd
        assert os.fstat(fd).st_nlink == 0
        assert os.read(fd, 100) == b"content"


@pytest.mark.behaviour("META-FD-FID")
@pytest.mark.parametrize("fids", [FAN_REPORT_FID, FAN_REPORT_DIR_FID, FAN_REPORT_DFID_NAME])
def test_no_descriptor_beside_a_handle(file, fids):
    with watching(file, FAN_OPEN, fids) as group:
        file.read_bytes()
        assert group.read_one().fd == FAN_NOFD


@pytest.mark.behaviour("META-FD-FID-FDERR")
@requires(FAN_REPORT_FD_ERROR)
@pytest.mark.parametrize("fids", [FAN_REPORT_FID, FAN_REPORT_DIR_FID, FAN_REPORT_DFID_NAME])
def test_no_descriptor_beside_a_handle_with_errors(file, fids):
    with watching(file, FAN_OPEN, fids | FAN_REPORT_FD_ERROR) as group:
        file.read_bytes()
        assert group.read_one().fd == -EBADF


@pytest.mark.behaviour("META-FD-FLAGS")
@pytest.mark.parametrize("flags", FLAGS)
def test_flags(file, flags):
    with watching(file, FAN_OPEN, event_f_flags=flags) as group:
        file.read_bytes()
        fd = group.read_one().fd
        status = Open(fcntl.fcntl(fd, fcntl.F_GETFL))
        assert status & ~INTERNAL == flags | O_LARGEFILE
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == (fcntl.FD_CLOEXEC if flags & O_CLOEXEC else 0)


@pytest.mark.behaviour("META-FD-NONOTIFY")
def test_use_of_the_descriptor(file):
    with (
        watching(file, EVERYTHING, event_f_flags=O_RDWR) as group,
        watching(file, EVERYTHING) as other,
    ):
        file.read_bytes()
        fd = group.disown(group.read_one().fd)
        other.read_one()
        assert os.read(fd, 100)
        os.write(fd, b"more")
        os.ftruncate(fd, 0)
        os.close(fd)
        group.assert_empty()
        other.assert_empty()


@pytest.mark.behaviour("META-FD-NONOTIFY")
def test_reopened_descriptor(file):
    with watching(file, EVERYTHING) as group:
        file.read_bytes()
        again = os.open(f"/proc/self/fd/{group.read_one().fd}", os.O_RDONLY)
        assert group.read_one().mask == FAN_OPEN
        os.close(again)


@contextlib.contextmanager
def running_program(directory):
    """A program that is running, and which therefore nobody may write."""
    program = Path(shutil.copy(shutil.which("busybox"), directory / "cat"))
    with subprocess.Popen([program], stdin=subprocess.PIPE):
        yield program


@contextlib.contextmanager
def read_only_file(directory):
    """A file on a mount that nobody may write."""
    (directory / "tree").mkdir()
    (directory / "tree" / "file").touch()
    bind = filesystems.MS_BIND
    with filesystems.mounted(str(directory / "tree"), directory / "mount", "none", bind) as mount_point:
        filesystems.mount("none", mount_point, "none", bind | filesystems.MS_REMOUNT | filesystems.MS_RDONLY)
        yield mount_point / "file"


FAILING = pytest.mark.parametrize(
    ("unwritable", "error"),
    [
        pytest.param(running_program, ETXTBSY, marks=pytest.mark.behaviour("META-FD-ETXTBSY"), id="ETXTBSY"),
        pytest.param(read_only_file, EROFS, marks=pytest.mark.behaviour("META-FD-EROFS"), id="EROFS"),
    ],
)
FOR_WRITING = pytest.mark.parametrize("mode", [O_WRONLY, O_RDWR])


@FAILING
@FOR_WRITING
def test_object_cannot_be_opened(public_dir, unwritable, error, mode):
    with unwritable(public_dir) as path, watching(path, FAN_OPEN, event_f_flags=mode) as group:
        path.read_bytes()
        expect(error, group.read_bytes)
        expect(EAGAIN, group.read_bytes)


@requires(FAN_REPORT_FD_ERROR)
@FAILING
@FOR_WRITING
def test_object_cannot_be_opened_is_reported(public_dir, unwritable, error, mode):
    flags = FAN_NONBLOCK | FAN_REPORT_FD_ERROR
    with unwritable(public_dir) as path, watching(path, FAN_OPEN, flags, mode) as group:
        path.read_bytes()
        event = group.read_one()
        assert (event.mask, event.fd) == (FAN_OPEN, -error)


@pytest.mark.behaviour("META-FD-EMFILE")
def test_no_descriptor_left(file):
    with watching(file, FAN_OPEN) as group:
        file.read_bytes()
        with exhausted():
            expect(EMFILE, group.read_bytes)
        expect(EAGAIN, group.read_bytes)


@pytest.mark.behaviour("META-FD-EMFILE-FDERR")
@requires(FAN_REPORT_FD_ERROR)
def test_no_descriptor_left_is_reported(file):
    with watching(file, FAN_OPEN, FAN_NONBLOCK | FAN_REPORT_FD_ERROR) as group:
        file.read_bytes()
        with exhausted():
            event = group.read_one()
        assert (event.mask, event.fd) == (FAN_OPEN, -EMFILE)
        assert event.pid == os.getpid()


@pytest.mark.behaviour("META-FD-EMFILE")
def test_no_descriptor_is_needed_beside_a_handle(file):
    with watching(file, FAN_OPEN, FAN_NONBLOCK | FAN_REPORT_FID) as group:
        file.read_bytes()
        with exhausted():
            assert group.read_one().mask == FAN_OPEN
