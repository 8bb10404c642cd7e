# SPDX-License-Identifier: GPL-2.0-or-later
"""Attaching and detaching: one handler for a group, with arguments of its own."""

import ctypes
import os
from errno import EBADF, EBUSY, EEXIST, EFAULT, EINVAL, ENOENT

import pytest

from helpers import fdinfo, proposals
from helpers.errors import OK, expect, outcome
from helpers.fanotify import watching
from helpers.fastpath import arguments, attach, attach_raw, attached, detach, number
from helpers.uapi import FAN_OPEN

NOWHERE = 1
"""An address at which no process has memory."""


@pytest.fixture
def group(file):
    with watching(file, FAN_OPEN) as group:
        yield group


def is_reported(group, file):
    """Open the file, and tell whether the group gets to know: events are queued before open(2) returns."""
    file.read_text()
    try:
        return len(group.read()) == 1
    except BlockingIOError:
        return False


@pytest.mark.behaviour("FP-06")
def test_attach_and_detach(handlers, group, file):
    for _ in range(2):
        expect(OK, attach, group, handlers.skip_all)
        assert not is_reported(group, file)
        expect(OK, detach, group)
        assert is_reported(group, file)


@pytest.mark.behaviour("FP-07")
@pytest.mark.parametrize("second", ["skip_all", "verdict"])
def test_second_handler(handlers, group, file, second):
    with attached(group, handlers.skip_all):
        answer = outcome(attach, group, getattr(handlers, second), number(handlers.send))
        # The code of the proposal and the comment in it disagree.
        assert answer in ({EBUSY} if proposals.is_reference() else {EBUSY, EEXIST})
        assert not is_reported(group, file)
    assert is_reported(group, file)


@pytest.mark.behaviour("FP-08")
def test_another_group(handlers, group, file):
    with watching(file, FAN_OPEN) as other, attached(group, handlers.skip_all):
        assert is_reported(other, file)
        with attached(other, handlers.skip_all):
            assert not is_reported(other, file)
        group.assert_empty()


@pytest.mark.behaviour("FP-09")
@pytest.mark.parametrize(
    "name", ["no-such-handler", "", "x" * 64], ids=["unknown", "empty", "without-an-end"]
)
def test_unknown_name(handlers, group, name):
    expect(ENOENT, attach, group, name)


@pytest.mark.behaviour("FP-10")
def test_no_structure(handlers, group):
    for address in (0, NOWHERE):
        expect(EFAULT, attach_raw, group.fd, address)


@pytest.mark.behaviour("FP-10")
@pytest.mark.parametrize(("member", "value"), [("version", 0), ("version", 2), ("flags", 1)])
def test_member(handlers, group, member, value):
    expect(EINVAL, attach, group, handlers.skip_all, **{member: value})


@pytest.mark.behaviour("FP-10")
def test_size_of_arguments(handlers, group):
    most = handlers.init_args_max
    expect(EINVAL, attach, group, handlers.skip_all, bytes(most + 1))
    expect(OK, attach, group, handlers.skip_all, bytes(most))


@pytest.mark.behaviour("FP-11")
def test_arguments_are_copied(handlers, group, file):
    buffer = ctypes.create_string_buffer(number(handlers.skip), 4)
    attach(group, handlers.verdict, init_args=ctypes.addressof(buffer), init_args_size=4)
    buffer.raw = number(handlers.send)
    assert not is_reported(group, file)


@pytest.mark.behaviour("FP-11")
def test_address_of_arguments(handlers, group, file):
    expect(EFAULT, attach, group, handlers.verdict, init_args=NOWHERE, init_args_size=4)
    assert is_reported(group, file)
    expect(OK, attach, group, handlers.verdict, number(handlers.send))


@pytest.mark.behaviour("FP-12")
@pytest.mark.parametrize(
    ("handler", "init_args", "answer"),
    [("verdict", b"", EINVAL), ("subtree", number(-1), EBADF)],
    ids=["no-verdict", "no-directory"],
)
def test_handler_refuses(handlers, group, file, handler, init_args, answer):
    expect(answer, attach, group, getattr(handlers, handler), init_args)
    assert is_reported(group, file)
    expect(OK, attach, group, handlers.skip_all)


@pytest.mark.behaviour("FP-45")
def test_duplicate_of_the_descriptor(handlers, group, file):
    copy = os.dup(group.fd)
    attach_raw(copy, arguments(handlers.skip_all))
    os.close(copy)
    assert not is_reported(group, file)


@pytest.mark.behaviour("FP-46")
def test_fdinfo(handlers, group):
    before = fdinfo.read_text(group.fd)
    with attached(group, handlers.skip_all):
        assert fdinfo.read_text(group.fd) == before
