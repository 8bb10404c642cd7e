# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever has a group may attach a handler, unless it is for administrators; loading one is for them."""

from errno import EPERM

import pytest

from helpers import kernel_modules
from helpers.children import in_child
from helpers.credentials import unprivileged, user_namespace
from helpers.errors import OK, expect
from helpers.fanotify import watching
from helpers.fastpath import attach, attached, detach, number
from helpers.uapi import FAN_NONBLOCK, FAN_OPEN, FAN_REPORT_FID

FID = FAN_REPORT_FID | FAN_NONBLOCK
USERS = pytest.mark.parametrize(
    "step", [unprivileged, user_namespace()], ids=["user", "root-of-a-user-namespace"]
)


@pytest.mark.behaviour("FP-30")
@USERS
def test_handler_for_everybody(handlers, file, step):
    def call():
        with watching(file, FAN_OPEN, FID) as group:
            with attached(group, handlers.skip_all):
                file.read_text()
                group.assert_empty()
            file.read_text()
            group.read_one()

    in_child(call, step)


@pytest.mark.behaviour("FP-31")
@USERS
def test_handler_for_administrators(handlers, file, step):
    def call():
        with watching(file, FAN_OPEN, FID) as group:
            expect(EPERM, attach, group, handlers.verdict, number(handlers.send))
            file.read_text()
            group.read_one()

    in_child(call, step)


@pytest.mark.behaviour("FP-32")
@pytest.mark.usefixtures("undecided")
def test_group_of_an_administrator(handlers, file):
    with watching(file, FAN_OPEN) as group:
        attach(group, handlers.verdict, number(handlers.skip))

        def call():
            file.read_text()
            group.assert_empty()
            expect(OK, detach, group)

        in_child(call, unprivileged)
        file.read_text()
        group.read_one()


@pytest.mark.behaviour("FP-33")
def test_loading_a_module(handlers):
    kernel_modules.unload(handlers.skip_all_module)
    with kernel_modules.find(handlers.skip_all_module).open("rb") as module:
        expect(EPERM, in_child, lambda: kernel_modules.load_descriptor(module.fileno()), unprivileged)
    assert not kernel_modules.is_loaded(handlers.skip_all_module)
