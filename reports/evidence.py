# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is to say about a bad result, for every format: what was expected, what happened, where, what may help."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from helpers.contract import behaviours
from helpers.contract.behaviours import Behaviour, BehaviourError
from helpers.contract.results import COMPLAINED, MUST_HAVE, Result
from helpers.contract.sources import BROKEN, Kind
from helpers.contract.status import Status
from reports.text import count, last_lines, one_line, presentable, printable, shortened

Catalogue = Mapping[str, Behaviour]
NONE: Catalogue = MappingProxyType({})
"""No behaviour is known."""

_FEW = 2
"""Behaviours that are named where there is little room."""


class Piece(NamedTuple):
    """A heading and a text, printable and not too long."""

    title: str
    text: str


@cache
def catalogue() -> Catalogue:
    """Return the behaviours of the suites; none if their files can not be read, which `reports trace --check` says."""
    with suppress(BehaviourError):
        return behaviours.load()
    return NONE


def verified(result: Result, known: Catalogue) -> list[Behaviour]:
    """Return the behaviours that a test verifies, as far as they are known."""
    return [known[name] for name in result.behaviours if name in known]


def expected(result: Result, known: Catalogue) -> list[str]:
    """Return a line for each behaviour: what the kernel should do, who says so, and how firmly that is promised."""
    return [
        f"{one.id}: {one.statement} ({'; '.join(filter(None, [one.source, one.kind and one.kind.basis]))})"
        for one in verified(result, known)
    ]


def kind_of(result: Result, known: Catalogue) -> Kind | None:
    """Return the firmest kind of the behaviours that a failed test verifies.

    None if it names none or did not fail, and where it failed for what no behaviour excuses: the kernel complained, or
    has lost a feature.
    """
    beyond_excuse = complaints(result) or any(text in result.message for text in (COMPLAINED, MUST_HAVE))
    if result.status is not Status.FAIL or beyond_excuse:
        return None
    kinds = {known[name].kind if name in known else None for name in result.behaviours}
    firmest = next((kind for kind in Kind if kind in kinds), None)
    # One that the catalogue does not know any more may have been promised.
    return firmest if None not in kinds or firmest is Kind.DOCUMENTED else None


def verdict(result: Result, known: Catalogue) -> list[str]:
    """Return a line that says what a failure means, if that is known: nobody may have promised what was expected."""
    return [BROKEN[found]] if (found := kind_of(result, known)) else []


def lacking(result: Result, known: Catalogue) -> list[str]:
    """Return a line for each commit that mended such a failure before."""
    fixes = dict.fromkeys(fix for one in verified(result, known) for fix in one.fixed_by)
    return [f"you may lack {fix}" for fix in fixes] if result.words.bad and not result.not_run else []


def summary(result: Result, known: Catalogue) -> list[str]:
    """Return what is said of a bad result beside its message where there is little room, a line each."""
    where = [f"at {result.where}"] if result.where and result.where not in result.headline else []
    log = [f"the kernel said: {line}" for line in complaints(result)] or _count(result.kernel_log)
    promised = expected(result, known)
    more = [f"and {count(len(promised) - _FEW, 'more behaviour')}"] if len(promised) > _FEW else []
    lines = [*where, *log, *verdict(result, known), *promised[:_FEW], *more, *lacking(result, known)]
    return [one_line(line) for line in lines] if result.words.bad and not result.not_run else []


def complaints(result: Result) -> list[str]:
    """Return the lines of the kernel's log that the message quotes, which may stand behind a failed assertion."""
    log = {line.partition("] ")[2].strip() for line in result.kernel_log.splitlines()}
    return [line.strip() for line in result.message.splitlines() if line.strip() and line.strip() in log][
        :_FEW
    ]


def headline(result: Result) -> str:
    """Return the first line of what there is to say about a result, and what the kernel itself complained of."""
    return one_line("; the kernel said: ".join([result.headline, *complaints(result)]))


def _count(log: str) -> list[str]:
    lines = len(log.splitlines())
    return [f"{count(lines, 'line')} of the kernel's log with the result"] if lines else []


def pieces(result: Result, known: Catalogue) -> list[Piece]:
    """Return all evidence of a result, the message first."""
    return [piece for piece in _pieces(result, known) if piece.text]


def _pieces(result: Result, known: Catalogue) -> Iterator[Piece]:
    yield Piece("message", shortened(result.message))
    if not result.words.bad or result.not_run:
        return
    yield Piece("where", one_line(result.where))
    yield Piece("verdict", _lines(verdict(result, known)))
    yield Piece("expected", _lines(expected(result, known)))
    yield Piece("fixes", _lines(lacking(result, known)))
    yield Piece("traceback", presentable(result.traceback))
    yield Piece("kernel log", last_lines(result.kernel_log))
    yield Piece("output", presentable(result.output))
    yield Piece("console", last_lines(result.console or ""))


def _lines(texts: Iterable[str]) -> str:
    return printable("\n".join(texts))


def as_text(result: Result, known: Catalogue) -> str:
    """Return all evidence as one text: the message, and the rest under its headings."""
    return "\n\n".join(
        piece.text if piece.title == "message" else f"{piece.title}:\n{piece.text}"
        for piece in pieces(result, known)
    )
