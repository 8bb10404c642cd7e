# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from a guest, made fit for people, terminals and XML."""

import re

MESSAGE_LINES = 12
MESSAGE_CHARACTERS = 2000

_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    r"""Spell out (`\x1b`, `\ud800`) what a terminal would obey or XML 1.0 (section 2.2) forbids."""
    return _UNPRINTABLE.sub(lambda match: _spelt(ord(match[0])), text.replace("\r\n", "\n"))


def _spelt(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def first_lines(text: str) -> str:
    """Return the first lines that say something, at most MESSAGE_LINES and MESSAGE_CHARACTERS of them."""
    lines = text.strip()[: 2 * MESSAGE_CHARACTERS].splitlines()
    useful = [line.rstrip() for line in lines if line.strip()]
    return "\n".join(useful[:MESSAGE_LINES])[:MESSAGE_CHARACTERS]
