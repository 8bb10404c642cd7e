# SPDX-License-Identifier: GPL-2.0-or-later
"""What fanotify_init(2) lets a caller without CAP_SYS_ADMIN have."""

from errno import EINVAL, EPERM

import pytest

from helpers.children import in_child
from helpers.credentials import unprivileged, user_namespace
from helpers.errors import OK, by_behaviour, cases, expect
from helpers.fanotify import fanotify_init
from helpers.features import Feature, has, require
from helpers.uapi import Init

FID, MNT = Init.REPORT_FID, Init.REPORT_MNT

# The flags which are for administrators, and the feature which brought them.
ADMIN_FLAGS = {
    Init.UNLIMITED_QUEUE: Feature.UNPRIVILEGED_GROUPS,
    Init.UNLIMITED_MARKS: Feature.UNPRIVILEGED_GROUPS,
    Init.CLASS_CONTENT: Feature.UNPRIVILEGED_GROUPS,
    Init.CLASS_PRE_CONTENT: Feature.UNPRIVILEGED_GROUPS,
    Init.REPORT_TID: Feature.UNPRIVILEGED_GROUPS,
    Init.REPORT_PIDFD: Feature.REPORT_PIDFD,
    Init.REPORT_FD_ERROR: Feature.REPORT_FD_ERROR,
}

UNPRIVILEGED = {
    "CAP-UNPRIV-PLAIN": [(Init(0), EPERM), (Init.CLOEXEC | Init.NONBLOCK, EPERM)],
    "CAP-UNPRIV-FID": [
        (FID, OK),
        (Init.REPORT_DIR_FID, OK),
        (Init.REPORT_DFID_NAME, OK),
        (Init.REPORT_DFID_NAME | FID | Init.CLOEXEC | Init.NONBLOCK, OK),
    ],
    "CAP-CONTENT-FID-ORDER": [(Init.CLASS_CONTENT | FID, EPERM), (Init.CLASS_PRE_CONTENT | FID, EPERM)],
}


@pytest.mark.parametrize(("flags", "answer"), by_behaviour(UNPRIVILEGED))
def test_unprivileged(flags, answer):
    require(Feature.UNPRIVILEGED_GROUPS)
    in_child(lambda: expect(answer, fanotify_init, flags), unprivileged)


@pytest.mark.behaviour("CAP-ADMIN-FLAGS")
@pytest.mark.parametrize("flag", ADMIN_FLAGS, ids=str)
def test_admin_flag(flag):
    require(Feature.UNPRIVILEGED_GROUPS, ADMIN_FLAGS[flag])
    in_child(lambda: expect(EPERM, fanotify_init, flag | FID), unprivileged)


@pytest.mark.behaviour("CAP-CONTENT-FID-ORDER")
@pytest.mark.parametrize(
    ("flags", "answer"), cases((Init.CLASS_CONTENT | FID, EINVAL), (Init.CLASS_PRE_CONTENT | FID, EINVAL))
)
def test_privileged(flags, answer):
    expect(answer, fanotify_init, flags)


@pytest.mark.behaviour("CAP-UNPRIV-MNT")
def test_mount_events():
    require(Feature.REPORT_MNT)
    # The commit which opened such groups to everybody also let user namespaces mark what they mounted.
    answer = OK if has(Feature.USERNS_MARKS) else EPERM
    in_child(lambda: expect(answer, fanotify_init, MNT), unprivileged)


@pytest.mark.behaviour("CAP-USERNS-ROOT-INIT")
@pytest.mark.parametrize(
    ("flags", "answer"),
    cases(
        (Init(0), EPERM),
        (Init.CLASS_PRE_CONTENT, EPERM),
        (Init.UNLIMITED_QUEUE | FID, EPERM),
        (Init.REPORT_TID | FID, EPERM),
        (FID, OK),
        (Init.REPORT_DFID_NAME, OK),
    ),
)
def test_root_of_a_user_namespace(flags, answer):
    require(Feature.UNPRIVILEGED_GROUPS)
    in_child(lambda: expect(answer, fanotify_init, flags), user_namespace())


@pytest.mark.behaviour("CAP-USERNS-ROOT-INIT")
def test_pidfds_for_root_of_a_user_namespace():
    require(Feature.UNPRIVILEGED_GROUPS, Feature.REPORT_PIDFD)
    in_child(lambda: expect(EPERM, fanotify_init, Init.REPORT_PIDFD | FID), user_namespace())
