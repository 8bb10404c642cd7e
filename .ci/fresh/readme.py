# SPDX-License-Identifier: GPL-2.0-or-later
"""What the README says is to be typed, and the example that it gives."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fresh.system import PROJECT

PROGRAMS = r"(apt|apt-get|sudo|git|make|pip|pipx|python3?|sh|tox|cd|\.)"
_COMMAND = re.compile(rf"{PROGRAMS} \S")
_INLINE_COMMAND = re.compile(r"(tox|python3?) -\w \S|apt(-get)? |git bisect |make ")


def text() -> str:
    """Return the README as the newcomer's clone has it: that of the last commit."""
    command = ["git", "show", "HEAD:README.md"]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def commands(markdown: str) -> list[str]:
    """Return every command that a README names, in its order, each once.

    They are lines of code blocks that begin with a program's name, and code within sentences that begins with
    ``tox``, ``python -m`` and the like. What is said about a command beside it, after two spaces or a ``#``, is cut
    off; what follows "or:" in it, and a ``tox -e NAME``, is one command more. ``python -m x a | b`` is two commands.
    Words that may be left out, ``[RUN]``, are left out.
    """
    return list(
        dict.fromkeys(alternative for line in _lines(markdown) for alternative in _alternatives(line))
    )


def _lines(markdown: str) -> Iterator[str]:
    for token in _code(markdown):
        if token.type == "code_inline":
            if _INLINE_COMMAND.match(token.content):
                yield token.content
            continue
        for line in token.content.splitlines():
            command, _, remark = re.sub(r"\s+#\s+|\s{2,}", "\0", line.strip()).partition("\0")
            candidates = [command, *re.findall(r"(?<=or: ).*|tox -e [\w.-]+", remark)]
            yield from filter(_COMMAND.match, candidates)


def _code(markdown: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").parse(markdown):
        yield from (part for part in token.children or [token] if part.type.startswith(("code_", "fence")))


def _alternatives(line: str) -> Iterator[str]:
    line = re.sub(r" \[[A-Z]+\]", "", line)
    first, *others = line.split(" | ")
    yield first
    common = re.match(r"python3? -m \w+", first)
    yield from (f"{common[0]} {other}" for other in others if common)


def example(markdown: str, language: str) -> str:
    """Return the README's example of a behaviour (``toml``) or of a test (``python``).

    Raises:
        LookupError: there is none.
    """
    sign = {"toml": r"^\[[\w-]+\]\n(.*\n)*statement = ", "python": r"^@pytest.mark.behaviour\("}[language]
    for token in _code(markdown):
        if token.type != "code_inline" and re.search(sign, token.content, re.MULTILINE):
            return token.content
    raise LookupError(f"the README has no example in {language}")
