# SPDX-License-Identifier: GPL-2.0-or-later
"""A module cannot be unloaded while a group has its handler."""

import contextlib
import os
import signal
from errno import EAGAIN, EBUSY, EEXIST, ENOENT

import pytest

from helpers import kernel_modules
from helpers.actors import Actor
from helpers.errors import OK, expect, outcome
from helpers.fanotify import FanotifyGroup
from helpers.fastpath import attach, detach
from helpers.waiting import wait_until


@pytest.fixture
def module(handlers):
    return handlers.skip_all_module


@pytest.fixture
def group(handlers):
    """A group with a handler."""
    with FanotifyGroup() as group:
        attach(group, handlers.skip_all)
        yield group


def expect_unpinned(module):
    # Groups may end a little later than their last descriptor.
    wait_until(lambda: kernel_modules.references(module) == 0, f"nobody holds {module}", deadline=1)
    expect(OK, kernel_modules.unload, module)


@pytest.mark.behaviour("FP-40")
def test_references(handlers, module):
    assert kernel_modules.references(module) == 0
    with FanotifyGroup() as one, FanotifyGroup() as other:
        attach(one, handlers.skip_all)
        assert kernel_modules.references(module) == 1
        attach(other, handlers.skip_all)
        assert kernel_modules.references(module) == 2
        detach(one)
        assert kernel_modules.references(module) == 1


@pytest.mark.behaviour("FP-40")
def test_unload_while_attached(group, module):
    expect(EAGAIN, kernel_modules.unload, module)
    assert kernel_modules.is_loaded(module)


@pytest.mark.behaviour("FP-41")
def test_unpinned_by_detaching(group, module):
    detach(group)
    expect_unpinned(module)


@pytest.mark.behaviour("FP-41")
def test_unpinned_by_the_last_close(group, module):
    copy = os.dup(group.fd)
    group.close()
    expect(EAGAIN, kernel_modules.unload, module)
    os.close(copy)
    expect_unpinned(module)


@pytest.mark.behaviour("FP-41")
def test_unpinned_by_a_death(group, module):
    with Actor(lambda: None, keep=[group.fd]) as holder:
        group.close()
        expect(EAGAIN, kernel_modules.unload, module)
        os.kill(holder.pid, signal.SIGKILL)
        holder.reap()
        expect_unpinned(module)


@pytest.mark.behaviour("FP-12", "FP-40")
def test_unpinned_by_a_refusal(handlers):
    with FanotifyGroup() as group:
        for _ in range(3):
            with contextlib.suppress(OSError):
                attach(group, handlers.verdict)
        assert kernel_modules.references(handlers.verdict_module) == 0


@pytest.mark.behaviour("FP-42")
def test_loaded_again(handlers, module):
    kernel_modules.unload(module)
    with FanotifyGroup() as group:
        expect(ENOENT, attach, group, handlers.skip_all)
        kernel_modules.load(module)
        expect(OK, attach, group, handlers.skip_all)


@pytest.mark.behaviour("FP-43")
def test_another_module_with_the_handler(handlers):
    # Later loaders keep EEXIST for a module that is loaded already: do_init_module() as of 7.2.
    assert outcome(kernel_modules.load, handlers.skip_twin_module) in {EEXIST, EBUSY}
    assert not kernel_modules.is_loaded(handlers.skip_twin_module)
    with FanotifyGroup() as group:
        expect(OK, attach, group, handlers.skip_all)


@pytest.mark.behaviour("FP-42", "FP-43")
def test_another_module_in_its_place(handlers, module):
    kernel_modules.unload(module)
    with kernel_modules.loaded(handlers.skip_twin_module), FanotifyGroup() as group:
        expect(OK, attach, group, handlers.skip_all)
        assert kernel_modules.references(handlers.skip_twin_module) == 1
        group.close()
