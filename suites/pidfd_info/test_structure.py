# SPDX-License-Identifier: GPL-2.0-or-later
"""struct pidfd_info: its sizes, and which of its fields the mask answers for."""

import fcntl
import os
from errno import EFAULT, EINVAL, ENOTTY

import pytest

from helpers.actors import Actor
from helpers.changes import changed_by
from helpers.descriptors import GuardedBuffer
from helpers.errors import OK, expect
from helpers.features import Feature, has
from helpers.pidfd import Direction, get_info, own_pidfd, pidfd_of, request
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.uapi import (
    PIDFD_GET_INFO,
    PIDFD_INFO_COREDUMP,
    PIDFD_INFO_SIZE_VER0,
    PIDFD_INFO_SUPPORTED_MASK,
    Info,
)

EVERYTHING = (1 << 64) - 1
SINCE_6_19 = Info(0x7F)


pytestmark = requires(PIDFD_GET_INFO)


def ask(fd, size, direction=Direction.BOTH, mask=0, filler=0):
    """Ask with a structure of so many bytes, and return it."""
    buffer = bytearray([filler] * max(size, 8))
    buffer[:8] = mask.to_bytes(8, "little")
    fcntl.ioctl(fd, request(PIDFD_GET_INFO, size, direction), buffer)
    return bytes(buffer)


def mask_of(structure):
    return Info(int.from_bytes(structure[:8], "little"))


@pytest.mark.behaviour("PINFO-SIZE")
@pytest.mark.parametrize("size", [128, 4096])
def test_large_structure(size):
    with own_pidfd() as fd:
        small, large = ask(fd, PIDFD_INFO_SIZE_VER0, filler=0xFF), ask(fd, size, filler=0xFF)
    assert large == small + bytes(size - PIDFD_INFO_SIZE_VER0)


@pytest.mark.behaviour("PINFO-SIZE-SMALL")
@pytest.mark.parametrize("size", [0, 8, PIDFD_INFO_SIZE_VER0 - 8, PIDFD_INFO_SIZE_VER0 - 1])
@changed_by(Feature.PIDFD_INFO_CHECKED, before=EINVAL, after=ENOTTY)
def test_small_structure(size, answer):
    with own_pidfd() as fd:
        expect(answer, ask, fd, size)


@pytest.mark.behaviour("PINFO-SIZE-SMALL")
@pytest.mark.parametrize("direction", [Direction.TO_KERNEL, Direction.FROM_KERNEL])
@changed_by(Feature.PIDFD_INFO_CHECKED, before=OK, after=ENOTTY)
def test_one_way(direction, answer):
    with own_pidfd() as fd:
        expect(answer, ask, fd, PIDFD_INFO_SIZE_VER0, direction)


@pytest.mark.behaviour("PINFO-SIZE-LATER")
@pytest.mark.parametrize("bit", [PIDFD_INFO_COREDUMP, PIDFD_INFO_SUPPORTED_MASK])
@requires(lambda bit: bit)
def test_field_that_does_not_fit(bit):
    with own_pidfd() as fd:
        answered = ask(fd, PIDFD_INFO_SIZE_VER0, mask=bit)
    assert bit in mask_of(answered)


@pytest.mark.behaviour("PINFO-ADDRESS")
@pytest.mark.parametrize(
    ("room", "answer"), [(None, EINVAL), (0, EFAULT), (8, EFAULT), (PIDFD_INFO_SIZE_VER0, OK)]
)
def test_address(room, answer):
    buffer = GuardedBuffer(room or 0)
    address = 0 if room is None else buffer.address
    with own_pidfd() as fd:
        expect(answer, syscall, "ioctl", fd, request(PIDFD_GET_INFO, PIDFD_INFO_SIZE_VER0), address)


@pytest.mark.behaviour("PINFO-MASK-UNKNOWN")
@pytest.mark.parametrize("bit", [1 << 31, 1 << 32, 1 << 63], ids=hex)
def test_bit_that_nobody_knows(bit):
    with own_pidfd() as fd:
        assert get_info(fd, bit).mask == get_info(fd).mask


def supported(fd):
    """Return the bits that the kernel says it knows; the field moved with 7.1, which added one before it."""
    structure = ask(fd, 88, mask=PIDFD_INFO_SUPPORTED_MASK)
    assert PIDFD_INFO_SUPPORTED_MASK in mask_of(structure)
    return Info(int.from_bytes(structure[80:] if has(Feature.CLONE_AUTOREAP) else structure[72:80], "little"))


@pytest.mark.behaviour("PINFO-SUPPORTED")
@requires(PIDFD_INFO_SUPPORTED_MASK)
def test_bits_that_the_kernel_knows():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        known = supported(fd)
        assert SINCE_6_19 & ~known == Info(0)
        assert mask_of(ask(fd, 128, mask=EVERYTHING)) & ~known == Info(0)
        actor.exit()
        actor.reap()
        assert mask_of(ask(fd, 128, mask=EVERYTHING)) & ~known == Info(0)


@pytest.mark.behaviour("PINFO-SUPPORTED-MOVED")
@requires(PIDFD_INFO_SUPPORTED_MASK)
def test_structure_of_the_first_release_with_supported_mask():
    with own_pidfd() as fd:
        structure = ask(fd, 80, mask=PIDFD_INFO_SUPPORTED_MASK)
    assert PIDFD_INFO_SUPPORTED_MASK in mask_of(structure)
    assert PIDFD_INFO_SUPPORTED_MASK in Info(int.from_bytes(structure[72:80], "little"))
