# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of class FAN_CLASS_NOTIF, which stand behind those that are asked."""

from errno import EPERM

import pytest

from helpers.errors import expect
from helpers.fanotify import watching
from helpers.permission import requesting
from helpers.uapi import FAN_ALLOW, FAN_CLOSE_NOWRITE, FAN_DENY, FAN_OPEN


@pytest.mark.behaviour("PERM-ORDER-NOTIF")
def test_told_after_the_answer(group, file):
    with watching(file, FAN_OPEN) as notified:
        with requesting(group, file.read_text) as requester:
            notified.assert_empty()
            group.respond(requester.event.fd, FAN_ALLOW)
            assert requester.finish() == "content"
        assert notified.masks() == [FAN_OPEN]


@pytest.mark.behaviour("PERM-ORDER-NOTIF")
def test_not_told_of_what_was_denied(group, file):
    with watching(file, FAN_OPEN | FAN_CLOSE_NOWRITE) as notified:
        with requesting(group, file.read_text) as requester:
            group.respond(requester.event.fd, FAN_DENY)
            expect(EPERM, requester.finish)
        notified.assert_empty()
