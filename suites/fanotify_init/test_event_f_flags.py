# SPDX-License-Identifier: GPL-2.0-or-later
"""event_f_flags of fanotify_init(2): which flags an event's descriptor may be opened with."""

import itertools
from errno import EINVAL

import pytest

from helpers.errors import OK, by_behaviour, expect
from helpers.fanotify import fanotify_init
from helpers.uapi import Init, Open

ALLOWED = (
    Open.WRONLY
    | Open.RDWR
    | Open.APPEND
    | Open.NONBLOCK
    | Open.SYNC
    | Open.DSYNC
    | Open.NOATIME
    | Open.LARGEFILE
    | Open.CLOEXEC
)
FORBIDDEN = Open(~int(ALLOWED) & 0xFFFFFFFF)
BITS = [Open(1 << bit) for bit in range(32)]


def answer_to(flags: Open) -> int:
    """Return what the manual says to these flags."""
    return EINVAL if flags & FORBIDDEN or flags & Open.ACCMODE == Open.ACCMODE else OK


ROWS = {
    "INIT-EVF-OK": [(bit, OK) for bit in [Open.RDONLY, Open.SYNC, *BITS] if not bit & FORBIDDEN],
    "INIT-EVF-BAD": [(bit, EINVAL) for bit in [*BITS, Open.TMPFILE] if bit & FORBIDDEN],
    "INIT-EVF-ACCMODE3": [(Open.ACCMODE, EINVAL), (Open.ACCMODE | Open.CLOEXEC, EINVAL)],
}


@pytest.mark.parametrize(("flags", "answer"), by_behaviour(ROWS))
def test_one(flags: Open, answer: int) -> None:
    expect(answer, fanotify_init, Init(0), flags)


@pytest.mark.behaviour("INIT-EVF-OK", "INIT-EVF-BAD", "INIT-EVF-ACCMODE3")
def test_every_pair() -> None:
    for one, other in itertools.combinations(BITS, 2):
        expect(answer_to(one | other), fanotify_init, Init(0), one | other)
