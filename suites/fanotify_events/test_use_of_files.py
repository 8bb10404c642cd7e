# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls make which events of a file, and which make none."""

import fcntl
import mmap
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.changes import changed_by
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.syscalls import syscall
from helpers.uapi import (
    FAN_ACCESS,
    FAN_ATTRIB,
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_CLOSE_WRITE,
    FAN_MODIFY,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_OPEN_EXEC,
    FAN_REPORT_FID,
    Init,
    Mask,
)

ANY = FAN_OPEN | FAN_OPEN_EXEC | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE
ANY_BY_HANDLE = ANY | FAN_ATTRIB
NOTHING = Mask(0)
PUNCH_HOLE = 0x2 | 0x1
SIZE = 4096


def seen(group):
    """Return the mask of all events so far, which one process had with one file."""
    try:
        (event,) = group.read()
    except BlockingIOError:
        return NOTHING
    return event.mask


class Open:
    """A file under test, open for reading and writing, and another one."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDWR)
        self.other = os.open(path.with_name("other"), os.O_RDWR | os.O_CREAT)
        os.write(self.other, bytes(SIZE))
        os.lseek(self.other, 0, os.SEEK_SET)
        self.pipe = os.pipe()

    def close(self):
        for fd in (self.fd, self.other, *self.pipe):
            os.close(fd)


@pytest.fixture
def opened(file):
    file.write_bytes(bytes(SIZE))
    opened = Open(file)
    yield opened
    opened.close()


def map_and_use(opened):
    with mmap.mmap(opened.fd, SIZE) as memory:
        memory[0] = memory[1] + 1
        memory.flush()


def splice_in(opened):
    os.write(opened.pipe[1], b"content")
    os.splice(opened.pipe[0], opened.fd, SIZE)


def fallocate(opened, mode=0):
    syscall("fallocate", opened.fd, mode, 0, SIZE)


# behaviour, name, call with the open file, what a reader of a plain group sees
ROWS = [
    ("META-ACCESS", "read", lambda f: os.read(f.fd, SIZE), FAN_ACCESS),
    ("META-ACCESS", "pread", lambda f: os.pread(f.fd, SIZE, 0), FAN_ACCESS),
    ("META-ACCESS", "readv", lambda f: os.readv(f.fd, [bytearray(SIZE)]), FAN_ACCESS),
    ("META-ACCESS", "read-at-the-end", lambda f: os.pread(f.fd, SIZE, SIZE), NOTHING),
    ("META-MODIFY", "write", lambda f: os.write(f.fd, b"x"), FAN_MODIFY),
    ("META-MODIFY", "pwrite", lambda f: os.pwrite(f.fd, b"x", 0), FAN_MODIFY),
    ("META-MODIFY", "writev", lambda f: os.writev(f.fd, [b"x", b"y"]), FAN_MODIFY),
    ("META-MODIFY", "write-of-nothing", lambda f: os.write(f.fd, b""), NOTHING),
    ("META-FALLOCATE", "fallocate", fallocate, FAN_MODIFY),
    ("META-FALLOCATE", "fallocate-punch-hole", lambda f: fallocate(f, PUNCH_HOLE), FAN_MODIFY),
    ("META-COPY", "sendfile-from", lambda f: os.sendfile(f.other, f.fd, 0, SIZE), FAN_ACCESS),
    ("META-COPY", "sendfile-to", lambda f: os.sendfile(f.fd, f.other, 0, SIZE), FAN_MODIFY),
    ("META-COPY", "copy_file_range-from", lambda f: os.copy_file_range(f.fd, f.other, SIZE), FAN_ACCESS),
    ("META-COPY", "copy_file_range-to", lambda f: os.copy_file_range(f.other, f.fd, SIZE), FAN_MODIFY),
    ("META-COPY", "splice-to", splice_in, FAN_MODIFY),
    ("META-MMAP", "mmap-and-msync", map_and_use, NOTHING),
    ("META-QUIET", "fstat", lambda f: os.fstat(f.fd), NOTHING),
    ("META-QUIET", "stat", lambda f: f.path.stat(), NOTHING),
    ("META-QUIET", "lseek", lambda f: os.lseek(f.fd, 0, os.SEEK_END), NOTHING),
    ("META-QUIET", "fsync", lambda f: os.fsync(f.fd), NOTHING),
    ("META-QUIET", "flock", lambda f: fcntl.flock(f.fd, fcntl.LOCK_EX), NOTHING),
    ("META-QUIET", "access", lambda f: os.access(f.path, os.R_OK), NOTHING),
]
IN_A_PLAIN_GROUP = [
    *ROWS,
    ("META-TRUNCATE", "ftruncate", lambda f: os.ftruncate(f.fd, 1), NOTHING),
    ("META-TRUNCATE", "truncate", lambda f: os.truncate(f.path, 1), NOTHING),
    ("META-ATTRIB", "fchmod", lambda f: os.fchmod(f.fd, 0o600), NOTHING),
]
IN_A_GROUP_OF_HANDLES = [
    *ROWS,
    ("META-TRUNCATE", "ftruncate", lambda f: os.ftruncate(f.fd, 1), FAN_MODIFY),
    ("META-TRUNCATE", "truncate", lambda f: os.truncate(f.path, 1), FAN_MODIFY),
    ("META-ATTRIB", "fchmod", lambda f: os.fchmod(f.fd, 0o600), FAN_ATTRIB),
    ("META-ATTRIB", "fchmod-to-the-same", lambda f: os.fchmod(f.fd, 0o644), FAN_ATTRIB),
    ("META-ATTRIB", "fchown", lambda f: os.fchown(f.fd, 1, 1), FAN_ATTRIB),
    ("META-ATTRIB", "utime", lambda f: os.utime(f.fd), FAN_ATTRIB),
    ("META-ATTRIB", "setxattr", lambda f: os.setxattr(f.path, "user.x", b"x"), FAN_ATTRIB),
    ("META-ATTRIB", "link", lambda f: os.link(f.path, f.path.with_name("link")), FAN_ATTRIB),
    ("META-ATTRIB", "unlink", lambda f: f.path.unlink(), FAN_ATTRIB),
]


def parameters(rows):
    return pytest.mark.parametrize(
        ("call", "mask"),
        [
            pytest.param(call, mask, marks=pytest.mark.behaviour(id_), id=name)
            for id_, name, call, mask in rows
        ],
    )


@parameters(IN_A_PLAIN_GROUP)
def test_event_with_a_descriptor(opened, call, mask):
    with watching(opened.path, ANY) as group:
        call(opened)
        assert seen(group) == mask


@parameters(IN_A_GROUP_OF_HANDLES)
def test_event_with_a_handle(opened, call, mask):
    with watching(opened.path, ANY_BY_HANDLE, FAN_NONBLOCK | FAN_REPORT_FID) as group:
        call(opened)
        assert seen(group) == mask


@pytest.mark.behaviour("META-SPLICE")
@pytest.mark.parametrize("fids", [Init(0), FAN_REPORT_FID])
@changed_by(Feature.SPLICE_EVENTS, before=NOTHING, after=FAN_ACCESS)
def test_splice_from_a_file(opened, fids, answer):
    with watching(opened.path, ANY, FAN_NONBLOCK | fids) as group:
        os.splice(opened.fd, opened.pipe[1], SIZE)
        assert seen(group) == answer


@pytest.mark.behaviour("META-OPEN-CLOSE")
@pytest.mark.parametrize(
    ("flags", "closed"),
    [
        pytest.param(os.O_RDONLY, FAN_CLOSE_NOWRITE, id="O_RDONLY"),
        pytest.param(os.O_WRONLY, FAN_CLOSE_WRITE, id="O_WRONLY"),
        pytest.param(os.O_RDWR, FAN_CLOSE_WRITE, id="O_RDWR"),
    ],
)
def test_opening_and_closing(file, flags, closed):
    with watching(file, ANY) as group:
        fd = os.open(file, flags)
        assert seen(group) == FAN_OPEN
        os.close(fd)
        assert seen(group) == closed


@pytest.mark.behaviour("META-OPEN-CLOSE")
def test_open_with_truncation(file):
    with watching(file, ANY | FAN_ATTRIB, FAN_NONBLOCK | FAN_REPORT_FID) as group:
        os.close(os.open(file, os.O_WRONLY | os.O_TRUNC))
        assert seen(group) == FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE


@pytest.mark.behaviour("META-O-PATH")
def test_path_descriptor(file):
    with watching(file, ANY) as group:
        fd = os.open(file, os.O_PATH)
        os.fstat(fd)
        os.close(fd)
        assert seen(group) == NOTHING


@pytest.mark.behaviour("META-O-PATH")
def test_path_descriptor_which_is_reopened(file):
    with watching(file, ANY) as group:
        fd = os.open(file, os.O_PATH)
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
        assert seen(group) == FAN_OPEN | FAN_CLOSE_NOWRITE
        os.close(fd)


@pytest.mark.behaviour("META-EXEC")
def test_execution(public_dir):
    program = Path(shutil.copy(shutil.which("busybox"), public_dir / "true"))
    with watching(program, FAN_OPEN | FAN_OPEN_EXEC) as group:
        subprocess.run([program], check=True)
        assert seen(group) == FAN_OPEN | FAN_OPEN_EXEC
        program.read_bytes()
        assert seen(group) == FAN_OPEN
