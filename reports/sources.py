# SPDX-License-Identifier: GPL-2.0-or-later
"""Where on the web the source of a behaviour can be read."""

import re
from collections.abc import Callable
from typing import NamedTuple


class Reference(NamedTuple):
    """A piece of a source's text, and the address of what it names; "" if it names nothing that has one."""

    text: str
    url: str = ""


_PATTERN = re.compile(
    r"""(?P<page>[a-z]\w+)\((?P<number>[1-8])\)
        (?:,?\s(?P<section>SYNOPSIS|DESCRIPTION|RETURN[ ]VALUE|ERRORS|VERSIONS|HISTORY|NOTES|BUGS|EXAMPLES)\b)?
        (?:,?\s(?P<word>[A-Z]+_[A-Z_0-9]+|E[A-Z0-9]{2,})\b)?
    |commit\s(?P<commit>[0-9a-f]{8,40})\b
    |(?P<file>(?:Documentation|fs|include|kernel|mm|net|security)/[\w./-]+\.(?:c|h|rst))\b""",
    re.VERBOSE,
)


def references(source: str) -> list[Reference]:
    """Cut a source into pieces; those that name a manual page, a commit or a file of the kernel have an address."""
    pieces: list[Reference] = []
    end = 0
    for match in _PATTERN.finditer(source):
        pieces += [Reference(source[end : match.start()]), Reference(match[0], _address(match))]
        end = match.end()
    return [piece for piece in [*pieces, Reference(source[end:])] if piece.text]


def _address(match: re.Match[str]) -> str:
    kind = next(name for name in _ADDRESSES if match[name])
    return _ADDRESSES[kind](match)


def _man_page(match: re.Match[str]) -> str:
    page, number, section, word = match.group("page", "number", "section", "word")
    address = f"https://man7.org/linux/man-pages/man{number}/{page}.{number}.html"
    # A word within a page is found by its text: https://wicg.github.io/scroll-to-text-fragment/
    place = section.replace(" ", "_") if section else ""
    return address + (f"#{place}" if place or word else "") + (f":~:text={word}" if word else "")


_ADDRESSES: dict[str, Callable[[re.Match[str]], str]] = {
    "page": _man_page,
    "commit": lambda match: f"https://git.kernel.org/linus/{match['commit']}",
    "file": lambda match: (
        f"https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/{match['file']}"
    ),
}
