# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from reports.text import (
    CONSOLE_CHARACTERS,
    CUT,
    LINE_CHARACTERS,
    MESSAGE_CHARACTERS,
    MESSAGE_LINES,
    first_lines,
    last_lines,
    markdown,
    one_line,
    printable,
    shortened,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text\n\tindented", "plain text\n\tindented"),
        ("\x1b[31mred\x1b[0m\r", r"\x1b[31mred\x1b[0m\x0d"),
        ("console\r\n", "console\n"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\udcff\ufffe\uffff", r"\udcff\ufffe\uffff"),
        ("é ✓ 🙂", "é ✓ 🙂"),
        ("a\u202eb\u2028", r"a\u202eb\u2028"),
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("  one\n\ttwo \x1b[0m", "one\n\ttwo \\x1b[0m"),
        ("line\n" * 100, "line\n" * MESSAGE_LINES + CUT),
        ("x" * 10_000_000, "x" * MESSAGE_CHARACTERS + "\n" + CUT),
    ],
    ids=["empty", "short", "many lines", "long line"],
)
def test_shortened(text: str, shown: str) -> None:
    assert shortened(text) == shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\tc\x00", r"a b c\x00"),
        ("x" * LINE_CHARACTERS, "x" * LINE_CHARACTERS),
        ("x" * 1_000_000, "x" * LINE_CHARACTERS + " " + CUT),
    ],
    ids=["lines", "fits", "long"],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_last_lines() -> None:
    assert last_lines("Oops\r\n\x1b[0m") == "Oops\n\\x1b[0m"
    end = last_lines("first\n" + "x" * CONSOLE_CHARACTERS + "last")
    assert end.startswith(CUT + "x")
    assert end.endswith("last")


def test_markdown() -> None:
    assert markdown("a|b <b>`c`\n[d](e) é_1") == r"a\|b \<b\>\`c\` \[d\](e) é\_1"
