# SPDX-License-Identifier: GPL-2.0-or-later
"""What the two machines say to each other: a word and its fields, as JSON, and nothing that names code."""

from __future__ import annotations

import json
from typing import Any

LARGEST = 1 << 20
"""Bytes of a message from another machine; what is larger ends the connection."""

CHUNK = 1 << 16
"""Bytes of a port or a console in one message."""

LINE = 300
"""Characters of what is shown of a machine's words."""


class GarbledError(Exception):
    """A message that nobody of ours sends."""


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
    """Return what another machine said as one line that a terminal only shows."""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return shown.strip()[:LINE]
