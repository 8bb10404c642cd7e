# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for people: what may have been meant, and numbers with what they count."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a word that is not known: the known one that may be meant, if there is any."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"; is {found[0]} meant?" if found else ""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with what it counts: `1 test`, `2 tests`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
