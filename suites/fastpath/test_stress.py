# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of attaching and detaching while others open the file all the time.

The kernel's log is looked at after every test, and who still holds a module when it is unloaded.
"""

import contextlib
import os

import pytest

from helpers.fanotify import FanotifyGroup, watching
from helpers.fastpath import attach, attached, number
from helpers.permission import Requester
from helpers.uapi import (
    FAN_CLASS_CONTENT,
    FAN_MARK_ADD,
    FAN_MARK_REMOVE,
    FAN_NONBLOCK,
    FAN_OPEN,
    FAN_OPEN_PERM,
)

OPENERS, ROUNDS, GROUPS = 3, 40, 40


@pytest.fixture
def _openers(file):
    """Have children open the file all the time; in the end each must still do it, and stop when told to."""
    stop = file.parent / "stop"

    def open_and_close():
        while not stop.exists():
            os.close(os.open(file, os.O_RDONLY))

    with contextlib.ExitStack() as stack:
        openers = [stack.enter_context(Requester(open_and_close)) for _ in range(OPENERS)]
        for opener in openers:
            opener.start()
        yield
        stop.touch()
        for opener in openers:
            opener.finish()


@pytest.mark.behaviour("FP-44")
@pytest.mark.usefixtures("_openers")
def test_attaching_and_detaching(handlers, file):
    with watching(file, FAN_OPEN) as group:
        for turn in range(ROUNDS):
            with attached(group, handlers.verdict, number(turn % 2)):
                os.sched_yield()


@pytest.mark.behaviour("FP-44")
@pytest.mark.usefixtures("_openers")
def test_permission_events(handlers, file):
    with FanotifyGroup(FAN_CLASS_CONTENT | FAN_NONBLOCK) as group:
        for _ in range(ROUNDS):
            with attached(group, handlers.skip_all):
                group.mark(FAN_MARK_ADD, FAN_OPEN_PERM, file)
                os.sched_yield()
                group.mark(FAN_MARK_REMOVE, FAN_OPEN_PERM, file)


@pytest.mark.behaviour("FP-44")
@pytest.mark.usefixtures("_openers")
def test_groups_that_end(handlers, file):
    for turn in range(GROUPS):
        with watching(file, FAN_OPEN) as group:
            attach(group, handlers.verdict, number(turn % 2))
            os.sched_yield()
