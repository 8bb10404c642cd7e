# SPDX-License-Identifier: GPL-2.0-or-later
"""Readers and processes in different pid namespaces."""

import functools
from errno import ESRCH

import pytest

from helpers import fdinfo
from helpers.actors import Actor
from helpers.fanotify import watching
from helpers.pidfd import clone_in
from helpers.requirements import requires
from helpers.uapi import CLONE_NEWPID, FAN_NOPIDFD, FAN_OPEN, FAN_REPORT_FD_ERROR, FAN_REPORT_PIDFD, Init

in_a_new_pid_namespace = functools.partial(clone_in, CLONE_NEWPID)


@pytest.mark.parametrize(
    ("more", "pidfd"),
    [
        pytest.param(
            Init(0),
            FAN_NOPIDFD,
            marks=pytest.mark.behaviour("PIDFD-NS-INVISIBLE"),
            id="FAN_CLASS_NOTIF-FAN_NOPIDFD",
        ),
        pytest.param(
            FAN_REPORT_FD_ERROR,
            -ESRCH,
            marks=pytest.mark.behaviour("PIDFD-NS-INVISIBLE", "PIDFD-FDERR-AMBIGUOUS"),
            id="FAN_REPORT_FD_ERROR-ESRCH",
        ),
    ],
)
@requires(lambda more: more)
def test_process_that_the_reader_cannot_see(file, more, pidfd):
    with watching(file, FAN_OPEN, FAN_REPORT_PIDFD | more) as group:
        file.read_text()
        with Actor(group.read_one, make=in_a_new_pid_namespace, keep=[group.fd]) as reader:
            event = reader.act()
            assert (event.pid, event.pidfd) == (0, pidfd)


@pytest.mark.behaviour("PIDFD-NS-DESCENDANT")
def test_process_in_a_child_namespace(file):
    with (
        watching(file, FAN_OPEN, FAN_REPORT_PIDFD) as group,
        Actor(file.read_text, make=in_a_new_pid_namespace) as actor,
    ):
        actor.act()
        event = group.read_one()
        assert event.pid == actor.pid
        assert fdinfo.read_pidfd(event.pidfd).nspid == (actor.pid, 1)
