# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is to be had of a process that has exited, was reaped, or whose number is another's."""

import os
from errno import ECHILD, ESRCH

import pytest

from helpers import fdinfo
from helpers.actors import Actor, live, reaped, zombie
from helpers.changes import changed_by
from helpers.children import in_child
from helpers.descriptors import open_descriptors
from helpers.errors import expect
from helpers.fanotify import watching
from helpers.features import Feature
from helpers.pidfd import clone_as, get_info, pidfd_send_signal, poll, waitid
from helpers.requirements import requires
from helpers.uapi import (
    FAN_NOPIDFD,
    FAN_OPEN,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_PIDFD,
    PIDFD_GET_INFO,
    PIDFD_INFO_EXIT,
    POLLHUP,
    POLLIN,
    Info,
)

STATUS = 7


@pytest.mark.behaviour("PIDFD-ZOMBIE")
def test_zombie(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, zombie(file.read_text) as actor:
        event = group.read_one()
        assert fdinfo.read_pidfd(event.pidfd).pid == actor.pid
        assert poll(event.pidfd) == POLLIN
        pidfd_send_signal(event.pidfd, 0)


# Pidfds of reaped processes and of threads came with the same release, 7.2, by different changes (82c6dd20479b
# and 17171128513b): the second tells which answer the first makes due.
KEEPS_REAPED = Feature.PIDFD_WITH_TID
A_PIDFD = "a pidfd"


def shown(pidfd):
    """Return what the field of a record says, by name."""
    return A_PIDFD if pidfd >= 0 else {FAN_NOPIDFD: "FAN_NOPIDFD", -ESRCH: "-ESRCH"}.get(pidfd, pidfd)


@pytest.mark.behaviour("PIDFD-REAPED")
@changed_by(KEEPS_REAPED, before="FAN_NOPIDFD", after=A_PIDFD)
def test_reaped(file, answer):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, reaped(file.read_text):
        assert shown(group.read_one().pidfd) == answer


@pytest.mark.behaviour("PIDFD-REAPED-FDERR", "PIDFD-FDERR-AMBIGUOUS")
@requires(FAN_REPORT_FD_ERROR)
@changed_by(KEEPS_REAPED, before="-ESRCH", after=A_PIDFD)
def test_reaped_with_errors_reported(file, answer):
    flags = FAN_REPORT_PIDFD | FAN_REPORT_FD_ERROR
    with watching(file, FAN_OPEN, flags) as group, reaped(file.read_text):
        assert shown(group.read_one().pidfd) == answer


@pytest.mark.behaviour("PIDFD-REAPED-USE")
@requires(KEEPS_REAPED, PIDFD_GET_INFO)
def test_use_of_a_reaped_process(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, reaped(file.read_text, STATUS):
        pidfd = group.read_one().pidfd
        assert fdinfo.read_pidfd(pidfd).pid == -1
        assert poll(pidfd) == POLLIN | POLLHUP
        expect(ESRCH, pidfd_send_signal, pidfd, 0)
        expect(ECHILD, waitid, pidfd, os.WEXITED)
        expect(ESRCH, get_info, pidfd)
        info = get_info(pidfd, PIDFD_INFO_EXIT)
        assert PIDFD_INFO_EXIT in Info(info.mask)
        assert os.waitstatus_to_exitcode(info.exit_code) == STATUS


@pytest.mark.behaviour("PIDFD-REAPED-FD", "PIDFD-REAPED-PID")
def test_object_and_number_of_a_reaped_process(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, reaped(file.read_text) as actor:
        event = group.read_one()
        assert os.path.samestat(os.fstat(event.fd), file.stat())
        assert event.pid == actor.pid


@pytest.mark.behaviour("PIDFD-REUSE", "PIDFD-REAPED-PID", "PIDFD-PROC-GUARD")
@changed_by(KEEPS_REAPED, before="FAN_NOPIDFD", after=A_PIDFD)
def test_number_that_is_anothers(file, answer):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group,
        reaped(file.read_text) as actor,
        Actor(os.getpid, make=lambda run: clone_as(actor.pid, run)) as stranger,
    ):
        event = group.read_one()
        assert event.pid == stranger.act() == actor.pid
        assert shown(event.pidfd) == answer
        if event.pidfd >= 0:
            assert fdinfo.read_pidfd(event.pidfd).pid == -1
            expect(ESRCH, pidfd_send_signal, event.pidfd, 0)


@pytest.mark.behaviour("PIDFD-TIME-OF-READ")
def test_descriptor_belongs_to_the_reader(file):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group, live(file.read_text) as actor:
        before = open_descriptors()
        assert in_child(lambda: fdinfo.read_pidfd(group.read_one().pidfd).pid) == actor.pid
        assert open_descriptors() == before
