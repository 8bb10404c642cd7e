# SPDX-License-Identifier: GPL-2.0-or-later
import re

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprFileLocation, ReprTraceback

from reports.text import (
    CONSOLE_CHARACTERS,
    CUT,
    LINE_CHARACTERS,
    MESSAGE_CHARACTERS,
    MESSAGE_LINES,
    count,
    first_lines,
    harmless,
    last_lines,
    markdown,
    one_line,
    presentable,
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m\r50 %\n", "\x1b[31mred\x1b[0m\r50 %\n"),
        ("\x1b[2J\x1b]0;title\x07\x9b1m", r"\x1b[2J\x1b]0;title\x07\x9b1m"),
        ("\x1b[1;31", r"\x1b[1;31"),
    ],
    ids=["what pytest writes", "commands", "cut off"],
)
def test_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_presentable_is_printable_all_the_way_down() -> None:
    place = ReprFileLocation("\x1b[2Ja.py", 7, "Assertion\x07")
    shown = presentable(ExceptionChainRepr([(ReprTraceback([], None, "long"), place, "\x1bc")]))
    (_, crash, description) = shown.chain[0]
    assert (crash.path, crash.lineno, crash.message) == (r"\x1b[2Ja.py", 7, r"Assertion\x07")
    assert description == r"\x1bc"
    assert presentable(("a.py", 1, "\x1b")) == ("a.py", 1, r"\x1b")


@pytest.mark.parametrize(
    "text", ["x" * 5_000_000, "x\n" * 2_500_000, ["x" * 5_000_000] * 1000], ids=["line", "lines", "list"]
)
def test_presentable_is_short_and_says_where_the_rest_is(text: str | list[str]) -> None:
    shown = presentable(text)
    assert len(str(shown)) < 200_000
    assert re.search(r"\[… \d+ more (line|character)s; results.jsonl has more of it", str(shown))


def test_presentable_keeps_the_beginning_and_the_end() -> None:
    lines = presentable([f"{number}" for number in range(100)])
    assert (lines[0], lines[39], lines[41], lines[-1]) == ("0", "39", "80", "99")
    assert lines[40].startswith("[… 40 more lines; ")


@pytest.mark.parametrize(("number", "said"), [(0, "0 tests"), (1, "1 test"), (2, "2 tests")])
def test_count(number: int, said: str) -> None:
    assert count(number, "test") == said
