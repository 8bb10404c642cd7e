# SPDX-License-Identifier: GPL-2.0-or-later
"""What fanotify_init(2) lets a caller without CAP_SYS_ADMIN have."""

from errno import EINVAL, EPERM

import pytest

from helpers.changes import changed_by
from helpers.children import in_child
from helpers.credentials import unprivileged, user_namespace
from helpers.errors import OK, by_behaviour, cases, expect
from helpers.fanotify import fanotify_init
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOEXEC,
    FAN_NONBLOCK,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    FAN_UNLIMITED_MARKS,
    FAN_UNLIMITED_QUEUE,
    Init,
)

ADMIN_FLAGS = [
    FAN_UNLIMITED_QUEUE,
    FAN_UNLIMITED_MARKS,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_REPORT_TID,
    FAN_REPORT_PIDFD,
    FAN_REPORT_FD_ERROR,
]
# Those of which no manual says so.
UNDOCUMENTED = {FAN_REPORT_PIDFD: "INIT-PIDFD-UNPRIV", FAN_REPORT_FD_ERROR: "CAP-ADMIN-FD-ERROR"}

UNPRIVILEGED = {
    "CAP-UNPRIV-PLAIN": [(Init(0), EPERM), (FAN_CLOEXEC | FAN_NONBLOCK, EPERM)],
    "CAP-UNPRIV-FID": [
        (FAN_REPORT_FID, OK),
        (FAN_REPORT_DIR_FID, OK),
        (FAN_REPORT_DFID_NAME, OK),
        (FAN_REPORT_DFID_NAME | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK, OK),
    ],
    "CAP-CONTENT-FID-ORDER": [
        (FAN_CLASS_CONTENT | FAN_REPORT_FID, EPERM),
        (FAN_CLASS_PRE_CONTENT | FAN_REPORT_FID, EPERM),
    ],
}


@pytest.mark.parametrize(("flags", "answer"), by_behaviour(UNPRIVILEGED))
@requires(Feature.UNPRIVILEGED_GROUPS)
def test_unprivileged(flags, answer):
    in_child(lambda: expect(answer, fanotify_init, flags), unprivileged)


@pytest.mark.parametrize(
    "flag",
    [
        pytest.param(flag, marks=pytest.mark.behaviour(UNDOCUMENTED.get(flag, "CAP-ADMIN-FLAGS")))
        for flag in ADMIN_FLAGS
    ],
)
@requires(Feature.UNPRIVILEGED_GROUPS, lambda flag: flag)
def test_admin_flag(flag):
    in_child(lambda: expect(EPERM, fanotify_init, flag | FAN_REPORT_FID), unprivileged)


@pytest.mark.behaviour("CAP-CONTENT-FID-ORDER")
@pytest.mark.parametrize(
    ("flags", "answer"),
    cases((FAN_CLASS_CONTENT | FAN_REPORT_FID, EINVAL), (FAN_CLASS_PRE_CONTENT | FAN_REPORT_FID, EINVAL)),
)
def test_privileged(flags, answer):
    expect(answer, fanotify_init, flags)


@pytest.mark.behaviour("CAP-UNPRIV-MNT")
@requires(FAN_REPORT_MNT)
@changed_by(Feature.USERNS_MARKS, before=EPERM, after=OK)  # of the same commit, 58f5fbeb367f
def test_mount_events(answer):
    in_child(lambda: expect(answer, fanotify_init, FAN_REPORT_MNT), unprivileged)


@pytest.mark.behaviour("CAP-USERNS-ROOT-INIT")
@requires(Feature.UNPRIVILEGED_GROUPS)
@pytest.mark.parametrize(
    ("flags", "answer"),
    cases(
        (Init(0), EPERM),
        (FAN_CLASS_PRE_CONTENT, EPERM),
        (FAN_UNLIMITED_QUEUE | FAN_REPORT_FID, EPERM),
        (FAN_REPORT_TID | FAN_REPORT_FID, EPERM),
        (FAN_REPORT_FID, OK),
        (FAN_REPORT_DFID_NAME, OK),
    ),
)
def test_root_of_a_user_namespace(flags, answer):
    in_child(lambda: expect(answer, fanotify_init, flags), user_namespace())


@pytest.mark.behaviour("CAP-USERNS-ROOT-INIT")
@requires(Feature.UNPRIVILEGED_GROUPS, FAN_REPORT_PIDFD)
def test_pidfds_for_root_of_a_user_namespace():
    in_child(lambda: expect(EPERM, fanotify_init, FAN_REPORT_PIDFD | FAN_REPORT_FID), user_namespace())
