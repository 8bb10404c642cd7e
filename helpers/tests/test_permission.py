# SPDX-License-Identifier: GPL-2.0-or-later
"""Requesters: they block, they get their response, and none is left behind."""

import os
from pathlib import Path

import pytest

from helpers.fanotify import FanotifyGroup, watching
from helpers.permission import Requester, requesting
from helpers.uapi import FAN_ALLOW, FAN_CLASS_CONTENT, FAN_NONBLOCK, FAN_OPEN_PERM

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="permission events are for root")

CONTENT = FAN_CLASS_CONTENT | FAN_NONBLOCK


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("content")
    return path


def test_requester_waits_for_its_answer(file: Path) -> None:
    with (
        watching(file, FAN_OPEN_PERM, CONTENT) as group,
        requesting(group, file.read_text) as requester,
    ):
        assert requester.event.pid == requester.pid
        assert requester.is_blocked()
        group.respond(requester.event.fd, FAN_ALLOW)
        assert requester.finish() == "content"
        assert not requester.is_blocked()


def test_forgotten_requester_is_killed(file: Path) -> None:
    with watching(file, FAN_OPEN_PERM, CONTENT) as group:
        with requesting(group, file.read_text) as requester:
            pass
        with pytest.raises(ProcessLookupError):
            os.kill(requester.pid, 0)


def test_failing_test_leaves_nobody(file: Path) -> None:
    with watching(file, FAN_OPEN_PERM, CONTENT) as group:
        with pytest.raises(RuntimeError), requesting(group, file.read_text) as requester:
            raise RuntimeError
        with pytest.raises(ProcessLookupError):
            os.kill(requester.pid, 0)


def test_whether_a_group_is_asked(file: Path) -> None:
    with watching(file, FAN_OPEN_PERM, CONTENT) as group, Requester(file.read_text) as requester:
        assert requester.is_asked_for(group)


def test_whether_a_group_is_not_asked(file: Path) -> None:
    with FanotifyGroup(CONTENT) as group, Requester(file.read_text) as requester:
        assert not requester.is_asked_for(group)
        assert requester.finish() == "content"
