# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from a guest, made fit for people, terminals and XML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

STORED_CHARACTERS = 32_000
"""How much of a traceback, of output or of the kernel's log is stored with a result."""
MESSAGE_LINES = 12
MESSAGE_CHARACTERS = 2000

LINE_CHARACTERS = 300
CONSOLE_CHARACTERS = 8000
DETAIL_LINES = 60
"""How many lines pytest may show of each part of a failure."""
WHOLE = "results.jsonl has more of it"
CUT = "[…]"
"""Stands where text was left out."""

_UNPRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    r"""Spell out (`\x1b`, `\ud800`) what a terminal or a page would obey or XML 1.0 (section 2.2) forbids."""
    return _UNPRINTABLE.sub(lambda match: _spelt(ord(match[0])), text.replace("\r\n", "\n"))


_COMMAND = re.compile(rf"\r|\x1b\[[\d;]*m|{_UNPRINTABLE.pattern}")


def harmless(text: str) -> str:
    """Spell out what a terminal would obey, except for colours and carriage returns.

    That is what pytest itself writes. Text of a guest is made printable where it comes in; this is a second fence.
    """
    return _COMMAND.sub(
        lambda match: match[0] if match[0][-1:] in ("m", "\r") else _spelt(ord(match[0])), text
    )


def _spelt(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def first_lines(text: str, most: int = MESSAGE_LINES) -> str:
    """Return the first lines that say something, at most so many and MESSAGE_CHARACTERS of them."""
    lines = text.strip()[: 2 * MESSAGE_CHARACTERS].splitlines()
    useful = [line.rstrip() for line in lines if line.strip()]
    return "\n".join(useful[:most])[: MESSAGE_CHARACTERS * most // MESSAGE_LINES]


def joined(messages: Iterable[str]) -> str:
    """Return several messages as one of which `shortened` cuts nothing off: each gets its share of the lines."""
    different = list(dict.fromkeys(message for message in messages if message))
    share = max(1, MESSAGE_LINES // max(1, len(different)))
    return "\n".join(first_lines(message, share) for message in different)


def bounded(text: str, most: int = STORED_CHARACTERS) -> str:
    """Return a text, or where it is too long its beginning and its end."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {count(left_out, 'character')} left out]\n{text[-half:]}"


def shortened(text: str) -> str:
    """Return a message or a console fit to be shown: printable, and no more than the first lines of it."""
    kept = first_lines(text)
    return printable(kept if len(kept) >= len(text.strip()) else f"{kept}\n{CUT}")


def presentable(value: Any) -> Any:
    """Make what pytest shows of a failure, texts in sequences and data classes, printable and not too long."""
    if isinstance(value, str):
        return "\n".join(map(_line, _some(value.split("\n"))))
    if isinstance(value, list | tuple):
        return type(value)(map(presentable, _some(value)))
    if is_dataclass(value):
        for field in fields(value):
            setattr(value, field.name, presentable(getattr(value, field.name)))
    return value


def _some(items: Sequence[Any]) -> Sequence[Any]:
    """Return the first and the last of many items, and between lines a word about the rest."""
    left_out = len(items) - DETAIL_LINES
    if left_out <= 0:
        return items
    begin, end = items[: DETAIL_LINES * 2 // 3], items[-(DETAIL_LINES // 3) :]
    word = [f"[… {count(left_out, 'more line')}; {WHOLE}]"] if isinstance(items[0], str) else []
    return [*begin, *word, *end]


def _line(text: str) -> str:
    left_out = len(text) - MESSAGE_CHARACTERS
    kept = printable(text[:MESSAGE_CHARACTERS])
    return kept if left_out <= 0 else f"{kept} [… {count(left_out, 'more character')}; {WHOLE}]"


def count(number: int, noun: str) -> str:
    """Return a number with what it counts: `1 test`, `2 tests`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def last_lines(console: str) -> str:
    """Return the end of a console, where a kernel says why it dies, fit to be shown."""
    end = console[-CONSOLE_CHARACTERS:]
    return printable(end if len(end) == len(console) else f"{CUT}{end}")


def one_line(text: str) -> str:
    """Return text on a line: printable, and no longer than LINE_CHARACTERS."""
    line = printable(text[: 2 * LINE_CHARACTERS]).replace("\n", " ").replace("\t", " ")
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} {CUT}"


def markdown(text: str) -> str:
    """Return text on a line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|~#&@])", r"\\\1", one_line(text))
