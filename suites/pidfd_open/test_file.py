# SPDX-License-Identifier: GPL-2.0-or-later
"""A pidfd as a file: what cannot be done with it, and what other calls take it."""

import ctypes
import mmap
import os
from errno import EINVAL, ENODEV, ESPIPE, ESRCH

import pytest

from helpers.actors import Actor
from helpers.errors import expect
from helpers.pidfd import own_pidfd, pidfd_of
from helpers.syscalls import syscall

MADV_COLD = 20


class Iovec(ctypes.Structure):
    """struct iovec of process_madvise(2): a piece of memory."""

    _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))


@pytest.mark.behaviour("POPEN-WRITE-READ")
@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        (os.read, (1,), EINVAL),
        (os.write, (b"x",), EINVAL),
        (os.write, (b"",), EINVAL),
        (os.lseek, (0, os.SEEK_SET), ESPIPE),
        (mmap.mmap, (mmap.PAGESIZE,), ENODEV),
    ],
    ids=["read", "write", "write-nothing", "lseek", "mmap"],
)
def test_not_a_file(call, arguments, answer):
    with own_pidfd() as fd:
        expect(answer, call, fd, *arguments)


def advise(fd, address):
    return syscall("process_madvise", fd, Iovec(address, mmap.PAGESIZE), 1, MADV_COLD, 0)


@pytest.mark.behaviour("POPEN-MADVISE")
def test_advice_about_memory():
    with mmap.mmap(-1, mmap.PAGESIZE) as memory, Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        # The child has the same memory at the same place.
        view = ctypes.c_char.from_buffer(memory)
        address = ctypes.addressof(view)
        del view
        assert advise(fd, address) == mmap.PAGESIZE
        actor.exit()
        actor.reap()
        expect(ESRCH, advise, fd, address)
