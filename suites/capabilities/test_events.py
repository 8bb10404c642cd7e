# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose process ids the events of an unprivileged group tell."""

import os
import threading

import pytest

from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.fanotify import FanotifyGroup
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import FAN_MARK_ADD, FAN_NOFD, FAN_NONBLOCK, FAN_OPEN, FAN_REPORT_FID

UNPRIVILEGED = FAN_REPORT_FID | FAN_NONBLOCK


@pytest.fixture
def file(ext4_dir):
    """Return a file which everybody may read."""
    path = ext4_dir / "file"
    path.touch(mode=0o644)
    return path


def watching(file, flags=UNPRIVILEGED):
    """Return a group which reports who opens the file."""
    group = FanotifyGroup(flags)
    group.mark(FAN_MARK_ADD, FAN_OPEN, file)
    return group


@pytest.mark.behaviour("CAP-UNPRIV-PID0")
@requires(Feature.UNPRIVILEGED_GROUPS)
def test_process_ids(file):
    def listen():
        with watching(file) as group:
            file.read_bytes()
            in_child(file.read_bytes)
            return [event.pid for event in group.read()], os.getpid()

    pids, listener = in_child(listen, unprivileged)
    assert pids == [listener, 0]


@pytest.mark.behaviour("CAP-UNPRIV-PID0-THREAD")
@requires(Feature.UNPRIVILEGED_GROUPS)
def test_process_id_of_a_thread(file):
    def listen():
        with watching(file) as group:
            thread = threading.Thread(target=file.read_bytes)
            thread.start()
            thread.join()
            return group.read_one().pid, os.getpid(), thread.native_id

    pid, listener, thread = in_child(listen, unprivileged)
    assert pid == listener != thread


@pytest.mark.behaviour("CAP-UNPRIV-READER-SWITCH")
@requires(Feature.UNPRIVILEGED_GROUPS)
def test_the_reader_decides(file):
    def listen():
        with watching(file) as group:
            file.read_bytes()
            return in_child(lambda: read_as_child(group))

    def read_as_child(group):
        file.read_bytes()
        return [event.pid for event in group.read()], os.getpid()

    pids, reader = in_child(listen, unprivileged)
    assert pids == [0, reader]


@pytest.mark.behaviour("CAP-PRIV-DROP-KEEPS")
def test_privilege_dropped_after_init(file):
    with watching(file, FAN_NONBLOCK) as group:
        file.chmod(0o600)
        file.read_bytes()
        opener = os.getpid()

        def listen():
            with group:
                event = group.read_one()
                return event.pid, event.fd, os.fstat(event.fd).st_ino

        pid, fd, inode = in_child(listen, unprivileged)
        assert pid == opener
        assert fd != FAN_NOFD
        assert inode == file.stat().st_ino
