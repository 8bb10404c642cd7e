# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants that print as the manual writes them."""

import functools
from enum import IntEnum, IntFlag


class Constants(IntEnum):
    """Constants of which a word has one, and which prints as its name."""

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    __repr__ = __str__


class Flags(IntFlag):
    """A flag word which prints as the names of its bits, the way the manual writes them."""

    def __str__(self) -> str:
        """Return the names, the widest first, and bits without a name in hexadecimal."""
        return _spelled(type(self), int(self))

    __repr__ = __str__


@functools.cache
def _widest_first(kind: type[Flags]) -> list[tuple[int, str]]:
    # Plain integers: the arithmetic of enums is slow, and everything prints its flags.
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
