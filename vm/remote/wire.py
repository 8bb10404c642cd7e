# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages between two machines: a word and its fields as JSON, which cannot name code."""

from __future__ import annotations

import json
from typing import Any

LARGEST = 1 << 20
"""Maximum size of a message from another machine in bytes; a larger one ends the connection."""

CHUNK = 1 << 16
"""Maximum bytes of a port or a console in one message."""

LINE = 300
"""Maximum characters of another machine's text that are shown."""


class GarbledError(Exception):
    """A message violates the protocol."""


def packed(word: str, /, **fields: Any) -> bytes:
    """Return a message."""
    return json.dumps([word, fields]).encode()


def unpacked(message: bytes) -> tuple[str, dict[str, Any]]:
    """Return the word and the fields of a message. Raises GarbledError."""
    try:
        word, fields = json.loads(message, parse_constant=_refused)
    except (ValueError, TypeError, RecursionError) as error:
        raise GarbledError("a message that is none") from error
    if not isinstance(word, str) or not isinstance(fields, dict):
        raise GarbledError("a message that is none")
    return word, fields


def _refused(name: str) -> None:
    raise GarbledError(f"{name} is no number")


def one_line(text: object) -> str:
    """Return another machine's text as one line without control characters."""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return shown.strip()[:LINE]
