# SPDX-License-Identifier: GPL-2.0-or-later
"""Requesters who get a signal before they get an answer."""

import os
import signal
from errno import ENOENT, EPERM

import pytest

from helpers.errors import expect
from helpers.permission import Requester, requesting
from helpers.uapi import FAN_ALLOW, FAN_DENY


@pytest.mark.behaviour("PERM-KILL-WAITER")
def test_killed_after_the_read(group, file):
    with requesting(group, file.read_text) as requester:
        os.kill(requester.pid, signal.SIGKILL)
        requester.await_zombie()
        assert requester.reap() == -signal.SIGKILL
        assert group.respond(requester.event.fd, FAN_ALLOW) == 8
        expect(ENOENT, group.respond, requester.event.fd, FAN_ALLOW)


@pytest.mark.behaviour("PERM-KILL-QUEUED")
def test_killed_before_the_read(group, file):
    with Requester(file.read_text) as requester:
        requester.request(group)
        os.kill(requester.pid, signal.SIGKILL)
        requester.await_zombie()
        group.assert_empty()


@pytest.mark.behaviour("PERM-KILL-QUEUED")
def test_killed_among_others(group, file):
    with Requester(file.read_text) as one, Requester(file.read_text) as other:
        one.request(group)
        other.request(group)
        os.kill(one.pid, signal.SIGKILL)
        one.await_zombie()
        event = group.read_one()
        assert event.pid == other.pid
        group.respond(event.fd, FAN_DENY)
        expect(EPERM, other.finish)


@pytest.mark.behaviour("PERM-NONFATAL-SIGNAL")
def test_signal_with_a_handler(group, file):
    received = []

    def act():
        signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
        return file.read_text(), received

    with requesting(group, act) as requester:
        os.kill(requester.pid, signal.SIGUSR1)
        assert requester.is_blocked()
        group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == ("content", [signal.SIGUSR1])
