# SPDX-License-Identifier: GPL-2.0-or-later
"""event_f_flags of fanotify_init(2): which flags an event's descriptor may be opened with."""

import itertools
from errno import EINVAL

import pytest

from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import fanotify_init
from helpers.uapi import (
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_DSYNC,
    O_LARGEFILE,
    O_NOATIME,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_SYNC,
    O_TMPFILE,
    O_WRONLY,
    Init,
    Open,
)

ALLOWED = O_WRONLY | O_RDWR | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_NOATIME | O_LARGEFILE | O_CLOEXEC
FORBIDDEN = Open(~int(ALLOWED) & 0xFFFFFFFF)
BITS = [Open(1 << bit) for bit in range(32)]


def answer_to(flags: Open) -> int:
    """Return what the manual says to these flags."""
    return EINVAL if flags & FORBIDDEN or flags & O_ACCMODE == O_ACCMODE else OK


ROWS = {
    "INIT-EVF-OK": [(bit, OK) for bit in [O_RDONLY, O_SYNC, *BITS] if not bit & FORBIDDEN],
    "INIT-EVF-BAD": [(bit, EINVAL) for bit in [*BITS, O_TMPFILE] if bit & FORBIDDEN],
    "INIT-EVF-ACCMODE3": [(O_ACCMODE, EINVAL), (O_ACCMODE | O_CLOEXEC, EINVAL)],
}


@pytest.mark.parametrize(("flags", "answer"), by_behaviour(ROWS))
def test_one(flags: Open, answer: int) -> None:
    expect(answer, fanotify_init, Init(0), flags)


@pytest.mark.behaviour("INIT-EVF-OK", "INIT-EVF-BAD", "INIT-EVF-ACCMODE3")
def test_every_pair() -> None:
    for one, other in itertools.combinations(BITS, 2):
        expect(answer_to(one | other), fanotify_init, Init(0), one | other)
