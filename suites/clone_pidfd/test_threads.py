# SPDX-License-Identifier: GPL-2.0-or-later
"""CLONE_PIDFD with CLONE_THREAD: a tracee makes the calls, because two interpreters cannot share one stack."""

import contextlib
import ctypes
from errno import EFAULT, EINVAL, EMFILE
from pathlib import Path

import pytest

from helpers import fdinfo
from helpers.changes import changed_by
from helpers.descriptors import GuardedBuffer, exhausted
from helpers.errors import OK
from helpers.requirements import requires
from helpers.syscalls import syscall
from helpers.tracee import Tracee
from helpers.uapi import (
    CLONE_DETACHED,
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
    O_CLOEXEC,
    O_RDWR,
    PIDFD_THREAD,
    CloneArgs,
    Open,
)
from suites.clone_pidfd.children import UNTOUCHED, new_cell

FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PIDFD
ARGUMENTS = CloneArgs()
"""Where a tracee, which has a copy of this memory, keeps the arguments of clone3."""


@contextlib.contextmanager
def held_process(room=contextlib.nullcontext):
    """Have a process held in a system call, within the context `room`, to make other calls in its place."""

    def act():
        with room():
            syscall("gettid")

    with Tracee(act) as tracee:
        tracee.actor.start()
        tracee.run_to_entry("gettid")
        yield tracee


def clone(tracee, flags, address):
    return tracee.call("clone", flags, 0, address, 0, 0)


def clone3(tracee, flags, address):
    tracee.write(ctypes.addressof(ARGUMENTS), bytes(CloneArgs(flags=flags, pidfd=address)))
    return tracee.call("clone3", ctypes.addressof(ARGUMENTS), ctypes.sizeof(ARGUMENTS))


both_calls = pytest.mark.parametrize("call", [clone, clone3])


@contextlib.contextmanager
def nothing_is_left(tracee):
    """Hold the kernel to having made neither a thread nor a descriptor in the body of a `with`."""
    directory = Path(f"/proc/{tracee.pid}")

    def left():
        return {entry.name for part in ("task", "fd") for entry in (directory / part).iterdir()}

    before = left()
    yield
    assert (left(), tracee.threads) == (before, [])


@pytest.mark.behaviour("CLONE-THREAD")
@both_calls
@changed_by(PIDFD_THREAD, before=EINVAL, after=OK)
def test_pidfd_is_the_threads(call, answer):
    cell = new_cell()
    address = ctypes.addressof(cell)
    with held_process() as tracee:
        if answer != OK:
            with nothing_is_left(tracee):
                assert call(tracee, FLAGS, address) == -answer
            assert tracee.read_int(address) == UNTOUCHED
            return
        thread = call(tracee, FLAGS, address)
        fd, process = tracee.read_int(address), Path(f"/proc/{tracee.pid}")
        info = fdinfo.read_pidfd(fd, process)
        assert (info.pid, tracee.threads) == (thread, [thread])
        assert Open(info.flags) == O_RDWR | O_CLOEXEC | PIDFD_THREAD
        tracee.end_thread(thread)
        assert fdinfo.read_pidfd(fd, process).pid == -1


@pytest.mark.behaviour("CLONE-THREAD-REFUSED")
@pytest.mark.parametrize(
    ("call", "more"), [(clone, CLONE_DETACHED), (clone, CLONE_PARENT_SETTID), (clone3, CLONE_DETACHED)]
)
def test_forbidden_combination(call, more):
    cell = new_cell()
    with held_process() as tracee, nothing_is_left(tracee):
        assert call(tracee, FLAGS | more, ctypes.addressof(cell)) == -EINVAL
        assert tracee.read_int(ctypes.addressof(cell)) == UNTOUCHED


@pytest.mark.behaviour("CLONE-THREAD-REFUSED")
@requires(PIDFD_THREAD)
@both_calls
@pytest.mark.parametrize("address", ["null", "protected"])
def test_nowhere_to_store(call, address):
    protected = GuardedBuffer(0)
    with held_process() as tracee, nothing_is_left(tracee):
        assert call(tracee, FLAGS, protected.address if address == "protected" else 0) == -EFAULT


@pytest.mark.behaviour("CLONE-THREAD-REFUSED")
@requires(PIDFD_THREAD)
@both_calls
def test_no_free_descriptor(call):
    cell = new_cell()
    with held_process(exhausted) as tracee, nothing_is_left(tracee):
        assert call(tracee, FLAGS, ctypes.addressof(cell)) == -EMFILE
        assert tracee.read_int(ctypes.addressof(cell)) == UNTOUCHED
