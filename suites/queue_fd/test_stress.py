# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of restarts and of teardowns, while others open the file all the time and some of them are killed.

The kernel's log is looked at after every test.
"""

import contextlib
import os
import signal
import threading

import pytest

from helpers.descriptors import open_descriptors
from helpers.events import parse
from helpers.features import Feature
from helpers.permission import Requester
from helpers.queue_fd import controlling
from helpers.requirements import requires
from helpers.uapi import FAN_ALLOW, FAN_CLASS_CONTENT

pytestmark = requires(Feature.QUEUE_FD)

OPENERS, RESTARTS, TEARDOWNS, LIFETIME = 3, 60, 30, 10


@contextlib.contextmanager
def openers(file):
    """Have children open the file all the time; at the end each must still do it, and stop when it is told to."""
    stop = file.parent / "stop"

    def open_and_close():
        while not stop.exists():
            os.close(os.open(file, os.O_RDONLY))

    def another():
        opener = stack.enter_context(Requester(open_and_close))
        opener.start()
        return opener

    with contextlib.ExitStack() as stack:
        running = [another() for _ in range(OPENERS)]

        def replace_one():
            victim = running.pop(0)
            os.kill(victim.pid, signal.SIGKILL)
            victim.reap()
            running.append(another())

        yield replace_one
        stop.touch()
        for opener in running:
            opener.finish()


@pytest.mark.behaviour("RST-60")
def test_restarts(file):
    before = open_descriptors()
    with openers(file) as replace_one, controlling(file) as control:
        for turn in range(RESTARTS):
            with control.open_queue() as queue:
                queue.wait()
                for event in queue.read()[turn % 2 :]:
                    queue.respond(event.fd, FAN_ALLOW)
            if turn % LIFETIME == 0:
                replace_one()
    assert open_descriptors() == before


@pytest.mark.behaviour("RST-60")
@pytest.mark.parametrize("last", ["queue", "control"])
def test_teardowns(file, last):
    before = open_descriptors()
    with openers(file) as replace_one:
        for turn in range(TEARDOWNS):
            with controlling(file) as control, control.open_queue() as queue:
                queue.wait().read()
                (control if last == "queue" else queue).close()
            if turn % LIFETIME == 0:
                replace_one()
    assert open_descriptors() == before


def serve_until_the_end(fd):
    while data := os.read(fd, 4096):
        for event in parse(data):
            os.close(event.fd)


@pytest.mark.behaviour("RST-60")
def test_teardowns_under_a_reader(file):
    with openers(file):
        for _ in range(TEARDOWNS):
            with controlling(file, flags=FAN_CLASS_CONTENT) as control, control.open_queue() as queue:
                queue.wait()
                reader = threading.Thread(target=serve_until_the_end, args=[queue.fd])
                reader.start()
                control.close()
                reader.join()
