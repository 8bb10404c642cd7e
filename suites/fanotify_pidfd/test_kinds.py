# SPDX-License-Identifier: GPL-2.0-or-later
"""pidfds in permission events, in events of ranges and of mounts, and in the overflow."""

import ctypes
from errno import ENOENT, ESRCH
from signal import SIGKILL

import pytest

from helpers import fdinfo, sysctl
from helpers.actors import Actor, in_turn
from helpers.descriptors import exhausted
from helpers.errors import expect
from helpers.fanotify import FanotifyGroup, watching
from helpers.features import Feature
from helpers.filesystems import mount
from helpers.namespaces import own_mounts
from helpers.pidfd import pidfd_send_signal, poll
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ALLOW,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_EPIDFD,
    FAN_EVENT_ON_CHILD,
    FAN_MARK_ADD,
    FAN_MARK_MNTNS,
    FAN_MNT_ATTACH,
    FAN_NOPIDFD,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_Q_OVERFLOW,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
    Init,
    PermissionResponse,
    Poll,
)

RESPONSE_LENGTH = ctypes.sizeof(PermissionResponse)


@pytest.fixture
@requires(Feature.PERMISSION_EVENTS)
def asking(file):
    """A group that is asked for permission to open a file, and an actor to open it."""
    flags = FAN_REPORT_PIDFD | FAN_CLASS_CONTENT
    with watching(file, FAN_OPEN_PERM, flags) as group, Actor(file.read_text) as actor:
        yield group, actor


@pytest.mark.behaviour("PIDFD-PERM")
def test_permission_event(asking):
    group, actor = asking
    actor.start()
    event = group.read_one()
    assert fdinfo.read_pidfd(event.pidfd).pid == actor.pid
    assert poll(event.pidfd) == Poll(0)
    group.respond(event.fd, FAN_ALLOW)
    assert actor.finish() == "content"


@pytest.mark.behaviour("PIDFD-PERM-EPIDFD")
def test_permission_event_without_a_pidfd(asking):
    group, actor = asking
    actor.start()
    group.wait()
    with exhausted(free=1):
        event = group.read_one()
    assert event.pidfd == FAN_EPIDFD
    assert group.respond(event.fd, FAN_ALLOW) == RESPONSE_LENGTH
    assert actor.finish() == "content"


@pytest.mark.behaviour("PIDFD-PERM-KILL")
def test_kill_what_waits_for_permission(asking):
    group, actor = asking
    actor.start()
    event = group.read_one()
    pidfd_send_signal(event.pidfd, SIGKILL)
    actor.await_zombie()
    assert actor.reap() == -SIGKILL
    assert group.respond(event.fd, FAN_ALLOW) == RESPONSE_LENGTH
    expect(ENOENT, group.respond, event.fd, FAN_ALLOW)


@pytest.mark.behaviour("PIDFD-MNT")
@requires(FAN_REPORT_MNT)
def test_mount(public_dir):
    flags = FAN_REPORT_MNT | FAN_REPORT_PIDFD
    with Actor(in_turn(own_mounts, lambda: mount("none", public_dir, "tmpfs"))) as actor:
        actor.act()
        with watching(f"/proc/{actor.pid}/ns/mnt", FAN_MNT_ATTACH, flags, mark=FAN_MARK_MNTNS) as group:
            actor.act()
            assert fdinfo.read_pidfd(group.read_one().pidfd).pid == actor.pid


@pytest.mark.behaviour("PIDFD-RANGE")
@requires(FAN_PRE_ACCESS)
def test_range(ext4_file):
    flags = FAN_REPORT_PIDFD | FAN_CLASS_PRE_CONTENT
    with watching(ext4_file, FAN_PRE_ACCESS, flags) as group, Actor(ext4_file.read_text) as actor:
        actor.start()
        event = group.read_one()
        assert fdinfo.read_pidfd(event.pidfd).pid == actor.pid
        group.close()
        assert actor.finish() == "content"


@pytest.mark.parametrize(
    ("more", "pidfd"),
    [
        pytest.param(
            Init(0),
            FAN_NOPIDFD,
            marks=pytest.mark.behaviour("PIDFD-OVERFLOW"),
            id="FAN_CLASS_NOTIF-FAN_NOPIDFD",
        ),
        pytest.param(
            FAN_REPORT_FD_ERROR,
            -ESRCH,
            marks=pytest.mark.behaviour("PIDFD-OVERFLOW", "PIDFD-FDERR-AMBIGUOUS"),
            id="FAN_REPORT_FD_ERROR-ESRCH",
        ),
    ],
)
@requires(lambda more: more)
def test_overflow(public_dir, file, more, pidfd):
    with sysctl.setting(sysctl.FANOTIFY / "max_queued_events", 1):
        group = FanotifyGroup(FAN_REPORT_PIDFD | more)
    with group:
        group.mark(FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR | FAN_EVENT_ON_CHILD, public_dir)
        file.read_text()
        list(public_dir.iterdir())
        overflow = group.wait().read()[-1]
    assert (overflow.mask, overflow.pid, overflow.pidfd) == (FAN_Q_OVERFLOW, 0, pidfd)
