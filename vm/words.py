# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers for messages: suggestions for mistyped words, and numbers with nouns."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word: a suggestion, if a known word is similar."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"; is {found[0]} meant?" if found else ""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 test`, `2 tests`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
