# SPDX-License-Identifier: GPL-2.0-or-later
"""Other ioctls, and other files."""

import fcntl
import os
import sys
import termios
from errno import EINVAL, ENOTTY, ESRCH

import pytest

from helpers.actors import Actor
from helpers.changes import changed_by
from helpers.descriptors import opened
from helpers.errors import OK, expect
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.pidfd import get_info, own_pidfd, pidfd_of, request
from helpers.requirements import requires
from helpers.uapi import PIDFD_INFO_COREDUMP, PIDFD_THREAD

UNKNOWN = {"TCGETS": termios.TCGETS, "after-the-last": request(99), "another-magic": 0xFE01}
FS_IOC_GETVERSION = 0x80087601


@pytest.mark.behaviour("PINFO-UNKNOWN")
@pytest.mark.parametrize("number", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(number):
    with own_pidfd() as fd:
        expect(ENOTTY, fcntl.ioctl, fd, number)


@pytest.mark.behaviour("PINFO-UNKNOWN-ARGUMENT")
@changed_by(Feature.PIDFD_NAMESPACES, before=ENOTTY, after=EINVAL)
@changed_by(Feature.PIDFD_HANDLES, before=EINVAL, after=ENOTTY)  # of the same release, 6.14
@pytest.mark.parametrize("number", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_with_an_argument(number, answer):
    with own_pidfd() as fd:
        expect(answer, fcntl.ioctl, fd, number, 5)


@pytest.mark.behaviour("PINFO-UNKNOWN-ARGUMENT")
@changed_by(Feature.PIDFD_NAMESPACES, before=ENOTTY, after=ESRCH)
@changed_by(Feature.PIDFD_HANDLES, before=ESRCH, after=ENOTTY)
@pytest.mark.parametrize("number", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_of_a_process_that_was_reaped(number, answer):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        actor.reap()
        expect(answer, fcntl.ioctl, fd, number)


@pytest.mark.behaviour("PINFO-FIONREAD")
@changed_by(PIDFD_THREAD, before=ENOTTY, after=OK)  # pidfs, whose files were regular ones
@changed_by(PIDFD_INFO_COREDUMP, before=OK, after=ENOTTY)
def test_bytes_to_read(answer):
    count = bytearray(4)
    with own_pidfd() as fd:
        expect(answer, fcntl.ioctl, fd, termios.FIONREAD, count)
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
    with opened(path) as fd:
        expect(ENOTTY, get_info, fd)


@pytest.mark.behaviour("PINFO-OTHERS")
@requires(Feature.FANOTIFY)
def test_fanotify_group():
    with FanotifyGroup() as group:
        expect(ENOTTY, get_info, group.fd)
