# SPDX-License-Identifier: GPL-2.0-or-later
"""A filesystem without an fsid: a minimal FUSE server, a child process that serves /dev/fuse.

statfs(2) returns an f_fsid of zero for every FUSE filesystem. The protocol is that of fuse(4) and linux/fuse.h.
"""

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from helpers import skips
from helpers.actors import Actor
from helpers.errors import outcome
from helpers.filesystems import mount, mounted

FILES = ("file", "other")
"""The names in the root directory; the files are empty and read-only."""


class _Opcode(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    STATFS = 17
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


_UNANSWERED = {_Opcode.FORGET, _Opcode.INTERRUPT, _Opcode.BATCH_FORGET}

_REQUEST = struct.Struct("=IIQQ16x")  # length, opcode, unique, node
_REPLY = struct.Struct("=IiQ")  # length, error, unique
_ATTRIBUTES = struct.Struct("=6Q10I")
_ROOT = 1
_LARGEST_REQUEST = 1 << 18
_MAJOR, _MINOR = 7, 31
_LARGEST_WRITE = _BLOCK = 4096
_STATFS_SIZE, _OPENED_SIZE = 80, 16


@contextlib.contextmanager
def fuse(target: Path) -> Iterator[Path]:
    """Mount such a filesystem for the body of a `with`. Skips the test if the kernel has no FUSE."""
    target.mkdir(exist_ok=True)
    # Without a descriptor this fails with EINVAL, but it loads the module, and so makes /dev/fuse.
    if outcome(mount, "fuse", target, "fuse") == errno.ENODEV:
        skips.filesystem("this kernel has no fuse")
    with contextlib.ExitStack() as opened:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        opened.callback(os.close, device)
        options = f"fd={device},rootmode={stat.S_IFDIR:o},user_id=0,group_id=0,allow_other"
        with (
            Actor(lambda: _serve(device), keep=[device]) as server,
            mounted("fuse", target, "fuse", data=options),
        ):
            server.start()
            # Now only the server has it open: if the server dies, its callers get an error instead of hanging.
            opened.close()
            yield target


def _serve(device: int) -> None:
    while True:
        request = os.read(device, _LARGEST_REQUEST)
        _, opcode, unique, node = _REQUEST.unpack_from(request)
        if opcode not in _UNANSWERED:
            error, answer = _answer(opcode, node, request[_REQUEST.size :])
            os.write(device, _REPLY.pack(_REPLY.size + len(answer), -error, unique) + answer)


def _answer(opcode: int, node: int, body: bytes) -> tuple[int, bytes]:
    match opcode:
        case _Opcode.INIT:
            return 0, struct.pack("=4I2HI36x", _MAJOR, _MINOR, 0, 0, 0, 0, _LARGEST_WRITE)
        case _Opcode.LOOKUP if (name := os.fsdecode(body.rstrip(b"\0"))) in FILES:
            found = _ROOT + 1 + FILES.index(name)
            return 0, struct.pack("=4Q2I", found, 0, 0, 0, 0, 0) + _attributes(found)
        case _Opcode.LOOKUP:
            return errno.ENOENT, b""
        case _Opcode.GETATTR:
            return 0, struct.pack("=Q2I", 0, 0, 0) + _attributes(node)
        case _Opcode.STATFS:
            return 0, bytes(_STATFS_SIZE)
        case _Opcode.OPEN | _Opcode.OPENDIR:
            return 0, bytes(_OPENED_SIZE)
        case _Opcode.READDIR | _Opcode.FLUSH | _Opcode.RELEASE | _Opcode.RELEASEDIR | _Opcode.DESTROY:
            return 0, b""
    return errno.ENOSYS, b""


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
    sizes_and_times, nanoseconds, links, owner_and_device = (0,) * 5, (0,) * 3, 1, (0,) * 3
    return _ATTRIBUTES.pack(node, *sizes_and_times, *nanoseconds, mode, links, *owner_and_device, _BLOCK, 0)
