# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and answering through the queue: as in any group."""

import os
from errno import ENOENT, EPERM

import pytest

from helpers.descriptors import closing, opened
from helpers.errors import OK, expect
from helpers.events import parse
from helpers.features import Feature
from helpers.permission import Requester, requesting
from helpers.queue_fd import controlling
from helpers.requirements import requires
from helpers.uapi import (
    FAN_ACCESS_PERM,
    FAN_ALLOW,
    FAN_DENY,
    FAN_EVENT_METADATA_LEN,
    FAN_OPEN_EXEC_PERM,
    FAN_OPEN_PERM,
    PermissionResponse,
)

pytestmark = requires(Feature.QUEUE_FD)


def open_once(file):
    os.close(os.open(file, os.O_RDONLY))


def read_once(file):
    with opened(file) as fd:
        os.read(fd, 100)


def execute(file):
    # The interpreter is looked for once the script may be executed.
    file.write_text("#!/nowhere\n")
    file.chmod(0o755)
    os.execv(file, [file])


ACTS = [
    (FAN_OPEN_PERM, open_once, OK),
    (FAN_ACCESS_PERM, read_once, OK),
    (FAN_OPEN_EXEC_PERM, execute, ENOENT),
]


@pytest.mark.behaviour("RST-30")
@pytest.mark.parametrize("response", [FAN_ALLOW, FAN_DENY])
@pytest.mark.parametrize(("mask", "act", "allowed"), ACTS, ids=[str(mask) for mask, _, _ in ACTS])
def test_round_trip(file, mask, act, allowed, response):
    with (
        controlling(file, mask) as control,
        control.open_queue() as queue,
        requesting(queue, lambda: act(file)) as requester,
    ):
        event = requester.event
        assert (event.mask, event.pid) == (mask, requester.pid)
        assert os.path.samestat(os.fstat(event.fd), file.stat())
        assert queue.respond(event.fd, response) == 8
        expect(allowed if response == FAN_ALLOW else EPERM, requester.finish)


@pytest.mark.behaviour("RST-30")
def test_answer_of_no_event(control, file):
    with control.open_queue() as queue, requesting(queue, file.read_text) as requester:
        expect(ENOENT, queue.respond, control.fd, FAN_ALLOW)
        assert requester.is_blocked()


@pytest.mark.behaviour("RST-45")
def test_two_readers(control, file):
    with control.open_queue() as queue, Requester(file.read_text) as one, Requester(file.read_text) as other:
        one.request(queue)
        other.block()
        with closing(os.dup(queue.fd)) as copy:
            (first,) = queue.read(FAN_EVENT_METADATA_LEN)
            (second,) = parse(os.read(copy, 4096))
            os.close(second.fd)
            assert (first.pid, second.pid) == (one.pid, other.pid)
            queue.release()
            assert one.is_blocked()
            # The event is answered through whichever descriptor of the queue.
            os.write(copy, bytes(PermissionResponse(first.fd, FAN_ALLOW)))
            assert one.finish() == "content"
        with control.open_queue() as successor:
            assert successor.read_one().pid == other.pid
