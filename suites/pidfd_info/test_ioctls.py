# SPDX-License-Identifier: GPL-2.0-or-later
"""Other ioctls, and other files."""

import fcntl
import os
import sys
import termios
from errno import EINVAL, ENOTTY, ESRCH

import pytest

from helpers.actors import Actor
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature, has
from helpers.pidfd import get_info, own_pidfd, pidfd_of, request
from helpers.requirements import requires

UNKNOWN = {"TCGETS": termios.TCGETS, "after-the-last": request(99), "another-magic": 0xFE01}
FS_IOC_GETVERSION = 0x80087601


@pytest.mark.behaviour("PINFO-UNKNOWN")
@pytest.mark.parametrize("number", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(number):
    with own_pidfd() as fd:
        expect(ENOTTY, fcntl.ioctl, fd, number)


def looks_at_the_process_first():
    """Namespaces came with 6.11, and the order of the checks was put right with file handles, 6.14."""
    return has(Feature.PIDFD_NAMESPACES) and not has(Feature.PIDFD_HANDLES)


@pytest.mark.behaviour("PINFO-UNKNOWN-ARGUMENT")
@pytest.mark.parametrize("number", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_with_an_argument(number):
    with own_pidfd() as fd:
        expect(EINVAL if looks_at_the_process_first() else ENOTTY, fcntl.ioctl, fd, number, 5)


@pytest.mark.behaviour("PINFO-UNKNOWN-ARGUMENT")
@pytest.mark.parametrize("number", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_of_a_process_that_was_reaped(number):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        actor.reap()
        expect(ESRCH if looks_at_the_process_first() else ENOTTY, fcntl.ioctl, fd, number)


@pytest.mark.behaviour("PINFO-FIONREAD")
def test_bytes_to_read():
    # pidfs came with pidfds of threads; that its files are no regular ones, with PIDFD_INFO_COREDUMP.
    regular = has(Feature.PIDFD_THREAD) and not has(Feature.PIDFD_INFO_COREDUMP)
    count = bytearray(4)
    with own_pidfd() as fd:
        expect(OK if regular else ENOTTY, fcntl.ioctl, fd, termios.FIONREAD, count)
    assert int.from_bytes(count, sys.byteorder) == 0


@pytest.mark.behaviour("PINFO-GETVERSION")
@requires(Feature.PIDFD_HANDLES)
def test_version():
    version = bytearray(b"\xff" * 8)
    with own_pidfd() as fd:
        fcntl.ioctl(fd, FS_IOC_GETVERSION, version)
    assert version == bytes(4) + b"\xff" * 4


@pytest.mark.behaviour("PINFO-OTHERS")
@pytest.mark.parametrize("path", ["/dev/null", "/proc/self", "/proc/self/status", "/"])
def test_other_files(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        expect(ENOTTY, get_info, fd)
    finally:
        os.close(fd)


@pytest.mark.behaviour("PINFO-OTHERS")
def test_fanotify_group():
    with FanotifyGroup() as group:
        expect(ENOTTY, get_info, group.fd)
