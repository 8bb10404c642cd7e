# SPDX-License-Identifier: GPL-2.0-or-later
"""Every flag, every pair of flags, and every word of the known flags against the one table of rules."""

import ctypes
import itertools
from collections.abc import Iterable, Iterator

import pytest

from helpers.children import in_child
from helpers.errors import OK, Deviation, errno_name, hold_to_rules
from helpers.syscalls import bind
from helpers.uapi import Init
from suites.fanotify_init.rules import ADMIN_FLAGS, CALLERS, ORDER, ROOT, RULES, USER, Caller, Judge

BITS = [1 << bit for bit in range(32)]
FLAGS = [0, *BITS]
PAIRS = [one | other for one, other in itertools.combinations(BITS, 2)]
# Every flag there is lies in the lower half.
WORDS = range(1 << 16)


def deviations(words: Iterable[int], judge: Judge) -> Iterator[Deviation]:
    """Call with every word, and tell which answers are not what the rules say."""
    fanotify_init = bind("fanotify_init", ctypes.c_uint, ctypes.c_uint)
    close = bind("close", ctypes.c_int)
    for flags in words:
        result = fanotify_init(flags, 0)
        if result >= 0:
            close(result)
        answer, (expected, _) = max(-result, OK), judge.verdict(flags)
        if answer != expected:
            behaviour = judge.broken(flags, answer)
            answers = f"expected {errno_name(expected)}, answered {errno_name(answer)}"
            yield Deviation(behaviour, f"fanotify_init({Init(flags)}): {answers}")


CASES = [
    *(pytest.param(caller, [*FLAGS, *PAIRS], id=f"{caller.name}-every-pair") for caller in CALLERS),
    *(pytest.param(caller, WORDS, id=f"{caller.name}-every-word") for caller in (ROOT, USER)),
]


@pytest.mark.behaviour(
    "INIT-BASIC",
    "INIT-UNKNOWN-BIT",
    "INIT-AUDIT-CAP",
    *ADMIN_FLAGS.values(),
    "CAP-UNPRIV-PLAIN",
    "CAP-UNPRIV-FID",
    "CAP-UNPRIV-MNT",
    *(rule.behaviour for rule in RULES),
    ORDER,
)
@pytest.mark.parametrize(("caller", "words"), CASES)
def test_rules(caller: Caller, words: Iterable[int]) -> None:
    judge = Judge(caller)
    hold_to_rules(in_child(lambda: list(deviations(words, judge)), *caller.steps, deadline=30))
