# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading when descriptors or memory run out, and that nothing is left open in the end."""

from errno import EFAULT, EMFILE

import pytest

from helpers.descriptors import GuardedBuffer, exhausted, open_descriptors
from helpers.errors import expect, outcome
from helpers.fanotify import watching
from helpers.pidfd import own_pidfd
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLOSE_WRITE,
    FAN_EPIDFD,
    FAN_EVENT_METADATA_LEN,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_NOFD,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_PIDFD,
    PIDFD_THREAD,
    Init,
)

PIDFD_LENGTH = 8
MANY = 100


@pytest.mark.behaviour("PIDFD-EPIDFD-FID")
def test_no_descriptor_in_a_group_of_file_handles(ext4_file):
    with watching(ext4_file, FAN_OPEN, FAN_REPORT_PIDFD | FAN_REPORT_FID) as group:
        ext4_file.read_text()
        with exhausted():
            event = group.read_one()
        assert (event.fd, event.pidfd) == (FAN_NOFD, FAN_EPIDFD)


@pytest.mark.behaviour("PIDFD-EPIDFD-FD")
def test_one_descriptor(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group:
        file.read_text()
        with exhausted(free=1):
            event = group.read_one()
        assert event.fd >= 0
        assert event.pidfd == FAN_EPIDFD


@pytest.mark.behaviour("PIDFD-EMFILE-FD0")
def test_no_descriptor(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD | FAN_NONBLOCK) as group:
        file.read_text()
        with exhausted():
            answer = outcome(group.read)
        assert answer == EMFILE
        group.assert_empty()


@pytest.mark.behaviour("PIDFD-FDERR-EMFILE", "PIDFD-FDERR-AMBIGUOUS")
@requires(FAN_REPORT_FD_ERROR)
@pytest.mark.parametrize("free", [0, 1])
def test_errors_reported(file, free):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD | FAN_REPORT_FD_ERROR) as group:
        file.read_text()
        with exhausted(free):
            event = group.read_one()
        assert event.fd >= 0 if free else event.fd == -EMFILE
        assert event.pidfd == -EMFILE


@pytest.mark.behaviour("PIDFD-LEAK-CLOSED")
def test_nothing_is_left(public_dir):
    before = open_descriptors()
    files = [public_dir / str(number) for number in range(MANY)]
    with watching(public_dir, FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD, FAN_REPORT_PIDFD) as group:
        for file in files:
            file.touch()
        events = group.wait().read()
        delivered = [fd for event in events for fd in event.descriptors]
        assert open_descriptors() == before | {group.fd} | set(delivered)
        assert len(delivered) == 2 * MANY
    assert open_descriptors() == before


@pytest.mark.behaviour("PIDFD-EFAULT-NOLEAK")
@pytest.mark.parametrize("room", [0, 8, FAN_EVENT_METADATA_LEN, FAN_EVENT_METADATA_LEN + 4])
@pytest.mark.parametrize("more", [Init(0), FAN_REPORT_FID, FAN_REPORT_DFID_NAME_TARGET, FAN_REPORT_FD_ERROR])
@requires(lambda more: more)
def test_buffer_that_faults(ext4_file, more, room):
    with watching(ext4_file, FAN_OPEN, FAN_REPORT_PIDFD | FAN_NONBLOCK | more) as group:
        ext4_file.read_text()
        before = open_descriptors()
        expect(EFAULT, GuardedBuffer(room).read_from, group.fd, 4096)
        assert open_descriptors() == before
        group.assert_empty()


@pytest.mark.behaviour("PIDFD-OWN-PIDFS-LOOP")
@requires(PIDFD_THREAD)
def test_watching_ones_own_pidfd(file):
    room = 10
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, own_pidfd() as fd:
        group.mark(FAN_MARK_ADD, FAN_OPEN, None, fd)
        file.read_text()
        for _ in range(2):
            assert len(group.read(room * (FAN_EVENT_METADATA_LEN + PIDFD_LENGTH))) == room
