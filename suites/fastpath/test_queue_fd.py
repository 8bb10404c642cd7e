# SPDX-License-Identifier: GPL-2.0-or-later
"""Handlers of groups with restartable permission events: where a kernel has both proposals."""

from errno import EACCES, ENOTTY

import pytest

from helpers.errors import OK, expect
from helpers.fastpath import attach, detach, number
from helpers.features import Feature
from helpers.permission import Requester
from helpers.queue_fd import controlling
from helpers.requirements import requires

pytestmark = pytest.mark.usefixtures("undecided")


@pytest.fixture
@requires(Feature.QUEUE_FD)
def control(handlers, file):
    with controlling(file) as control:
        yield control


@pytest.mark.behaviour("FP-50")
def test_attached_to_the_control_descriptor(handlers, control):
    with control.open_queue() as queue:
        expect(ENOTTY, attach, queue, handlers.skip_all)
        expect(ENOTTY, detach, queue)
        expect(OK, attach, control, handlers.skip_all)
        expect(OK, detach, control)


@pytest.mark.behaviour("FP-50")
def test_skipped(handlers, control, file):
    with control.open_queue() as queue, Requester(file.read_text) as requester:
        attach(control, handlers.skip_all)
        assert not requester.is_asked_for(queue)
        assert requester.finish() == "content"


@pytest.mark.behaviour("FP-50")
def test_denied(handlers, control, file):
    with control.open_queue() as queue, Requester(file.read_text) as requester:
        attach(control, handlers.verdict, number(-EACCES))
        assert not requester.is_asked_for(queue)
        expect(EACCES, requester.finish)


@pytest.mark.behaviour("FP-50")
def test_restarted_event_is_not_judged_again(handlers, control, file):
    with Requester(file.read_text) as requester:
        requester.block()
        with control.open_queue() as queue:
            queue.read_one()
        attach(control, handlers.skip_all)
        with control.open_queue() as queue:
            assert queue.read_one().pid == requester.pid
            assert requester.is_blocked()
