# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants that print as their names in C."""

import functools
from enum import IntEnum, IntFlag


class Constants(IntEnum):
    """Constants that are values, not flags; each prints as its name."""

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    __repr__ = __str__


class Flags(IntFlag):
    """Flags that print as the names of their bits."""

    def __str__(self) -> str:
        """Return the names, the widest first, and bits without a name in hexadecimal."""
        return _spelled(type(self), int(self))

    __repr__ = __str__


@functools.cache
def _widest_first(kind: type[Flags]) -> list[tuple[int, str]]:
    # Plain integers, because the arithmetic of enums is slow and flags are printed often.
    names = ((int(member), name) for name, member in kind.__members__.items())
    return sorted(names, key=lambda named: (-named[0].bit_count(), named[0]))


@functools.cache
def _spelled(kind: type[Flags], word: int) -> str:
    rest, found = word, []
    for value, name in _widest_first(kind):
        if (value and rest & value == value) or (not value and not word):
            found.append((value, name))
            rest &= ~value
    words = [name for _, name in sorted(found)]
    return "|".join([*words, hex(rest)] if rest or not words else words)
