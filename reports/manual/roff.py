# SPDX-License-Identifier: GPL-2.0-or-later
"""The sentences of a manual page, from its source.

The pages of man-pages begin each sentence on a new line (man-pages(7), "Use semantic newlines"), so that sentences are
told apart in the source with more certainty than in rendered text, and neither groff nor mandoc is needed.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_SILENT = {"NAME", "LIBRARY", "SYNOPSIS", "STANDARDS", "EXAMPLES", "SEE ALSO"}
"""Sections that promise nothing of the kernel's."""

_CHARACTERS = {
    "em": "\N{EM DASH}",
    "en": "-",
    "aq": "'",
    "dq": '"',
    "rs": "\\",
    "ti": "~",
    "ha": "^",
    "bu": "*",
}
_ESCAPE = re.compile(
    r"""\\(?:
        f(?:\[[^]]*\]|\(..|.)                       # fonts
        |s[-+]?\d+                                  # sizes
        |\[(?P<long>[^]]*)\]|\((?P<short>..)        # characters by name
        |(?P<one>.)
    )""",
    re.VERBOSE,
)
_SINGLE = {"-": "-", "e": "\\", " ": " ", "~": " ", "0": " ", "t": " ", ".": ".", "'": "'", "\\": "\\"}
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s\\])+)')
_COMMENT = re.compile(r"""^['.]?\s*\\".*|\s*\\["#].*""")
_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.?!]$")
_REMARK_END = re.compile(r"[.?!]\)$")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a page, or the whole of a table, a structure or an example.

    Attributes:
        section: its section and subsection.
        about: the flag, field or errno under which it stands, "" if under none.
        text: the sentence, on one line and without fonts.
        again: how many sentences before it have the same text and are about the same.
    """

    section: str
    about: str
    text: str
    again: int = 0

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"{self.section}, {self.about}" if self.about else self.section

    @property
    def digest(self) -> str:
        """What identifies the sentence: in another section it is the same, about another flag it is not."""
        return hashlib.sha256(f"{self.about}\n{self.text}\n{self.again}".encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Page:
    """A page: the version that it names (`man-pages 6.20`), and its sentences."""

    version: str
    sentences: tuple[Sentence, ...]


def read(source: str) -> Page:
    """Return the sentences of a page of which this is the source."""
    reader = _Reader()
    for line in source.splitlines():
        reader.line(_COMMENT.sub("", line))
    reader.flush()
    seen: Counter[tuple[str, str]] = Counter()
    sentences = []
    for section, about, text in reader.found:
        sentences.append(Sentence(section, about, text, seen[about, text]))
        seen[about, text] += 1
    return Page(reader.version, tuple(sentences))


@dataclass
class _Reader:
    """What is known in the middle of a page."""

    version: str = ""
    found: list[tuple[str, str, str]] = field(default_factory=list)
    section: str = ""
    subsection: str = ""
    tag: str = ""
    outer: list[str] = field(default_factory=list)  # the tags around an indented part
    words: list[str] = field(default_factory=list)
    verbatim: bool = False
    tag_follows: str = ""  # the request after which a line is a tag

    def line(self, line: str) -> None:
        if not line.startswith((".", "'")):
            self.text(plain(line))
            return
        request, _, rest = line[1:].strip().partition(" ")
        words = list(_arguments(rest))
        if request in _FONTS:
            self.text(_FONTS[request].join(words))
        elif request == "MR":
            name, section, *more = [*words, "", ""]
            self.text(f"{name}({section}){''.join(more)}")
        elif request in _REQUESTS:
            self.flush()
            _REQUESTS[request](self, words)

    def text(self, text: str) -> None:
        if self.tag_follows:
            self.begin_tag(" ".join(text.split()))
        elif text.strip():
            self.words += text.split()
            if not self.verbatim and _ends(self.words):
                self.flush()

    def begin_tag(self, tag: str) -> None:
        """Begin what is about a flag, field or errno; a tag that says more than its name is a sentence too."""
        name = " ".join(tag.partition(" (")[0].split()[:4])
        self.tag = (
            f"{self.tag} {name}"
            if self.tag_follows == "TQ"
            else ", ".join([*self.outer[-1:], name]).strip(", ")
        )
        self.tag_follows = ""
        if " " in tag:
            self.words = [tag]
            self.flush()

    def flush(self) -> None:
        if self.words and self.section not in _SILENT:
            section = ", ".join(filter(None, (self.section, self.subsection)))
            self.found.append((section, self.tag, " ".join(self.words)))
        self.words = []

    def title(self, words: list[str]) -> None:
        self.version = words[3].removeprefix("Linux ") if len(words) > 3 else ""

    def begin_section(self, words: list[str]) -> None:
        self.section, self.subsection, self.tag, self.outer = " ".join(words), "", "", []

    def begin_subsection(self, words: list[str]) -> None:
        self.subsection, self.tag, self.outer = " ".join(words), "", []

    def paragraph(self, _: list[str]) -> None:
        self.tag = self.outer[-1] if self.outer else ""

    def indent(self, _: list[str]) -> None:
        self.outer.append(self.tag)

    def outdent(self, _: list[str]) -> None:
        self.tag = self.outer.pop() if self.outer else ""

    def expect_tag(self, _: list[str]) -> None:
        self.tag_follows = "TP"

    def expect_another_tag(self, _: list[str]) -> None:
        self.tag_follows = "TQ"

    def begin_verbatim(self, _: list[str]) -> None:
        self.verbatim = True

    def end_verbatim(self, _: list[str]) -> None:
        self.verbatim = False

    def go_on(self, _: list[str]) -> None:
        """Only what came before ends."""


_FONTS = {"B": " ", "I": " ", "R": " ", "SM": " ", "SB": " "} | dict.fromkeys(
    ("BR", "BI", "IB", "IR", "RB", "RI"), ""
)
"""A macro that sets its arguments in fonts -> what stands between them."""

_REQUESTS = {
    "TH": _Reader.title,
    "SH": _Reader.begin_section,
    "SS": _Reader.begin_subsection,
    **dict.fromkeys(("P", "PP", "LP"), _Reader.paragraph),
    "RS": _Reader.indent,
    "RE": _Reader.outdent,
    "TP": _Reader.expect_tag,
    "TQ": _Reader.expect_another_tag,
    **dict.fromkeys(("EX", "nf", "TS"), _Reader.begin_verbatim),
    **dict.fromkeys(("EE", "fi", "TE"), _Reader.end_verbatim),
    **dict.fromkeys(("IP", "HP", "br", "sp"), _Reader.go_on),
}


def _ends(words: list[str]) -> bool:
    """Whether a sentence ends with a line; a full stop within a remark, as of `(child, etc.)`, is no end."""
    return bool((_REMARK_END if words[0].startswith("(") else _END).search(words[-1]))


def _arguments(text: str) -> Iterator[str]:
    for match in _ARGUMENT.finditer(text):
        yield plain(match[1].replace('""', '"') if match[1] is not None else match[2])


def plain(text: str) -> str:
    """Return text without fonts, and with the characters that its escapes stand for."""

    def character(match: re.Match[str]) -> str:
        name = match["long"] or match["short"]
        return _CHARACTERS.get(name, name) if name else _SINGLE.get(match["one"] or "", "")

    return _ESCAPE.sub(character, text)
