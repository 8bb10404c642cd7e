# SPDX-License-Identifier: GPL-2.0-or-later
"""The watchdog which tells the kernel's log of a listener that does not answer."""

import os
import re

import pytest

from helpers import sysctl
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.permission import requesting
from helpers.requirements import requires
from helpers.uapi import FAN_CLASS_CONTENT, FAN_OPEN_PERM
from helpers.waiting import wait_until

TIMEOUT = sysctl.FANOTIFY / "watchdog_timeout"
COMPLAINT = re.compile(rb"PID (\d+) \(.*\) failed to respond to fanotify queue for more than (\d+) seconds")


@pytest.fixture
def kernel_log():
    """A descriptor from which the kernel's messages can be read that come from now on."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(fd, 0, os.SEEK_END)
    yield fd
    os.close(fd)


def complaints(kernel_log):
    """Return what the watchdog says in messages that were not read yet: the listener's pid, and the seconds."""
    found = []
    while True:
        try:
            message = os.read(kernel_log, 8192)
        except BlockingIOError:
            return found
        found += [tuple(map(int, match)) for match in COMPLAINT.findall(message)]


@pytest.mark.behaviour("PERM-WATCHDOG")
@requires(Feature.PERMISSION_WATCHDOG)
def test_listener_which_does_not_answer(file, kernel_log):
    with (
        sysctl.setting(TIMEOUT, 1),
        watching(file, FAN_OPEN_PERM, FAN_CLASS_CONTENT) as group,
        requesting(group, file.read_text),
    ):
        found = wait_until(lambda: complaints(kernel_log), "the watchdog complains", deadline=10)
        assert found == [(os.getpid(), 1)]


@pytest.mark.behaviour("PERM-WATCHDOG")
@requires(Feature.PERMISSION_WATCHDOG)
def test_off_by_default():
    assert sysctl.read(TIMEOUT) == 0
