# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from reports.text import MESSAGE_CHARACTERS, MESSAGE_LINES, first_lines, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text\n\tindented", "plain text\n\tindented"),
        ("\x1b[31mred\x1b[0m\r", r"\x1b[31mred\x1b[0m\x0d"),
        ("console\r\n", "console\n"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\udcff\ufffe\uffff", r"\udcff\ufffe\uffff"),
        ("é ✓ 🙂", "é ✓ 🙂"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ""),
        ("\n\n  one  \n\n  two\n", "one\n  two"),
        ("line\n" * 100, "\n".join(["line"] * MESSAGE_LINES)),
        ("x" * 10_000_000, "x" * MESSAGE_CHARACTERS),
    ],
    ids=["empty", "blank lines", "many lines", "long line"],
)
def test_first_lines(text: str, lines: str) -> None:
    assert first_lines(text) == lines
