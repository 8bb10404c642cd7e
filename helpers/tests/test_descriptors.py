# SPDX-License-Identifier: GPL-2.0-or-later
"""The full descriptor table and the guarded buffer work, and the table is restored."""

import errno
import os
import resource

import pytest

from helpers import descriptors
from helpers.errors import OK, expect


def test_opened_is_closed_also_when_its_body_fails() -> None:
    before = descriptors.open_descriptors()
    with pytest.raises(KeyError), descriptors.opened(os.devnull, os.O_WRONLY) as fd:
        os.write(fd, b"x")
        raise KeyError
    assert descriptors.open_descriptors() == before


@pytest.mark.parametrize("free", [0, 1, 3])
def test_exhausted_leaves_exactly_so_much_room(free: int) -> None:
    before = descriptors.open_descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)
    read, write = os.pipe()
    with descriptors.exhausted(free):
        made = [os.dup(read) for _ in range(free)]
        expect(errno.EMFILE, os.dup, read)
    for fd in (read, write, *made):
        os.close(fd)
    assert (descriptors.open_descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)) == before


def test_exhausted_is_undone_when_its_body_fails() -> None:
    before = descriptors.open_descriptors()
    with pytest.raises(KeyError), descriptors.exhausted():
        raise KeyError
    assert descriptors.open_descriptors() == before


@pytest.mark.parametrize(("room", "answer"), [(4, OK), (3, errno.EFAULT), (0, errno.EFAULT)])
def test_guarded_buffer_has_exactly_so_much_room(room: int, answer: int) -> None:
    read, write = os.pipe2(os.O_DIRECT)  # packets: read(2) does not return a part of one
    os.write(write, b"four")
    buffer = descriptors.GuardedBuffer(room)
    expect(answer, buffer.read_from, read, 4)
    assert answer or buffer.content == b"four"
    os.close(read)
    os.close(write)
