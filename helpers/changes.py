# SPDX-License-Identifier: GPL-2.0-or-later
"""What releases answer differently, as data: the test asks for `answer`, and gets that of the kernel it runs on.

    @changed_by(Feature.PIDFD_INFO_COREDUMP, before=EINVAL, after=ENOENT)
    def test_thread_without_the_flag(answer):
        expect(answer, pidfd_open, thread.tid)

Where an answer has changed more than once, the changes follow each other, the oldest first. Each of the three may be a
function of parameters of the test; where `before` and `after` are the same for a row, nothing has changed for it.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from helpers import features
from helpers.declarations import Declaration, declaration, declared, evaluated
from helpers.features import Feature
from helpers.requirements import What, features_of

MARK = "changed_by"
ARGUMENT = "answer"
"""What a test calls the answer that has changed; a fixture of helpers.fixtures."""


@dataclass(frozen=True)
class Change:
    """The feature with which an answer changed, and the answers."""

    by: Feature
    before: object
    after: object


def changed_by(
    what: What, *, before: object | Callable[..., object], after: object | Callable[..., object]
) -> Declaration:
    """Declare that the answer has changed with a feature, or the one that a flag names; see the head of this module.

    Raises ValueError for what names no feature, or several.
    """
    if len(named := features_of(what)) != 1:
        raise ValueError(f"changed_by({what}) names {len(named)} features, and must name one")
    return declaration(MARK, named[0], before=before, after=after)


def of(item: pytest.Function) -> tuple[Change, ...]:
    """Return the changes that a test declares, the oldest first, also those that are none for its parameters.

    Raises pytest.Collector.CollectError where they do not follow from each other, or the test does not ask for the
    answer.
    """
    found = tuple(
        Change(mark.args[0], *(evaluated(mark.kwargs[name], item) for name in ("before", "after")))
        for mark in declared(item, MARK)
    )
    for older, newer in itertools.pairwise(found):
        if older.after != newer.before:
            raise pytest.Collector.CollectError(
                f"{item.nodeid}: after {older.by.name} the answer is {older.after}, before {newer.by.name} it is "
                f"{newer.before}: which is it between them?"
            )
    if bool(found) != _asks(item):
        raise pytest.Collector.CollectError(
            f"{item.nodeid}: what has @{MARK} takes the argument {ARGUMENT!r}, and what takes it has one or the other: "
            f"@{MARK} or a parameter of that name"
        )
    return found


def _asks(item: pytest.Function) -> bool:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return ARGUMENT in item.fixturenames and ARGUMENT not in given


def here(item: pytest.Function) -> object:
    """Return the answer to a test that is due on this kernel; raise LostFeature as helpers.features.has does."""
    __tracebackhide__ = True
    changes = of(item)
    answer = changes[0].before
    for change in changes:
        if change.before != change.after and features.has(change.by):
            answer = change.after
    return answer
