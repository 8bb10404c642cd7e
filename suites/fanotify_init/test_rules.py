# SPDX-License-Identifier: GPL-2.0-or-later
"""Every flag, every pair of flags, and every word of the known flags against the one table of rules."""

import ctypes
import itertools
from collections.abc import Iterable, Iterator

import pytest

from helpers.children import in_child
from helpers.errors import OK, UnexpectedAnswer, errno_name
from helpers.syscalls import bind
from helpers.uapi import Init
from suites.fanotify_init.rules import CALLERS, RULES, Caller, Judge

SHOWN = 10

BITS = [1 << bit for bit in range(32)]
WORDS = {
    "every-flag": [0, *BITS],
    "every-pair": [one | other for one, other in itertools.combinations(BITS, 2)],
    "every-word-of-16-bits": range(1 << 16),
}


def deviations(words: Iterable[int], caller: Caller) -> Iterator[str]:
    """Call with every word, and tell which answers are not what the rules say."""
    fanotify_init = bind("fanotify_init", ctypes.c_uint, ctypes.c_uint)
    close = bind("close", ctypes.c_int)
    judge = Judge(caller)
    for flags in words:
        result = fanotify_init(flags, 0)
        if result >= 0:
            close(result)
        answer, (expected, behaviour) = max(-result, OK), judge.verdict(flags)
        if answer != expected:
            call = f"fanotify_init({Init(flags)})"
            yield f"{call}: expected {errno_name(expected)} ({behaviour}), answered {errno_name(answer)}"


@pytest.mark.behaviour(
    "INIT-BASIC",
    "INIT-UNKNOWN-BIT",
    "INIT-AUDIT-CAP",
    "CAP-ADMIN-FLAGS",
    "CAP-UNPRIV-PLAIN",
    "CAP-UNPRIV-FID",
    "CAP-UNPRIV-MNT",
    *(rule.behaviour for rule in RULES),
)
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_rules(words: Iterable[int], caller: Caller) -> None:
    found = in_child(lambda: list(deviations(words, caller)), *caller.steps, deadline=30)
    if found:
        raise UnexpectedAnswer("\n".join([f"{len(found)} wrong answers, among them", *found[:SHOWN]]))
