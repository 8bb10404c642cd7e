# SPDX-License-Identifier: GPL-2.0-or-later
"""process_mrelease(2): the memory of a dying process is freed before it has got that far itself."""

import mmap
import os
import re
from errno import EBADF, EINVAL, ESRCH
from pathlib import Path
from signal import SIGKILL

import pytest

from helpers.actors import Actor
from helpers.errors import OK, expect, outcome
from helpers.features import Feature
from helpers.pidfd import pidfd_of, pidfd_send_signal, process_mrelease
from helpers.requirements import requires
from helpers.tracee import Departure

SIZE = 8 << 20


pytestmark = requires(Feature.PROCESS_MRELEASE)


class Memory:
    """An act that takes memory of its own and keeps it."""

    def __call__(self):
        self.taken = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.taken.write(bytes(SIZE))


def resident(pid):
    """Return how many bytes of memory of its own a process has (proc_pid_status(5), RssAnon)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) << 10


@pytest.mark.behaviour("POPEN-MRELEASE")
def test_dying_process():
    with Actor(Memory()) as actor, pidfd_of(actor.pid) as fd, Departure(actor.pid) as departure:
        actor.act()
        pidfd_send_signal(fd, SIGKILL)
        departure.hold()
        before, answer, after = resident(actor.pid), outcome(process_mrelease, fd), resident(actor.pid)
        departure.become_zombie()
        departure.let_go()
    assert (answer, before - after >= SIZE) == (OK, True)


@pytest.mark.behaviour("POPEN-MRELEASE-LIVE")
def test_process_that_lives():
    with Actor(Memory()) as actor, pidfd_of(actor.pid) as fd:
        actor.act()
        expect(EINVAL, process_mrelease, fd)
        assert resident(actor.pid) >= SIZE


@pytest.mark.behaviour("POPEN-MRELEASE-GONE")
def test_process_that_has_exited():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        actor.exit()
        expect(ESRCH, process_mrelease, fd)
        actor.reap()
        expect(ESRCH, process_mrelease, fd)


@pytest.mark.behaviour("POPEN-MRELEASE-BAD")
def test_flags():
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        expect(EINVAL, process_mrelease, fd, 1)


@pytest.mark.behaviour("POPEN-MRELEASE-BAD")
def test_files_that_are_no_pidfd():
    expect(EBADF, process_mrelease, -1)
    with Path("/proc/self/stat").open() as file:
        expect(EBADF, process_mrelease, file.fileno())
