# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of the manual that are on this machine."""

import gzip
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

_DIRECTORIES = ("/usr/local/share/man", "/usr/share/man")
_LINK = re.compile(r"\.so\s+(?:.*/)?(?P<name>[\w-]+)\.(?P<section>\w+)\s*$", re.MULTILINE)


class NoPageError(Exception):
    """Pages are not there, or can not be read; the text says which, and what to do."""


def directories() -> list[Path]:
    """Return where pages are looked for: in MANPATH, manpath(1), or in the usual places."""
    named = [Path(name) for name in os.environ.get("MANPATH", "").split(":") if name]
    return named or [Path(name) for name in _DIRECTORIES]


def source(name: str, section: str, places: Sequence[Path]) -> str:
    """Return the source of a page, compressed or not, "" if it is nowhere; one that stands for another is that one.

    Raises NoPageError: it is damaged.
    """
    text = _text(name, section, places)
    link = _LINK.match(text)
    return _text(link["name"], link["section"], places) if link else text


def lacking(titles: Sequence[str], places: Sequence[Path]) -> str:
    """Return a line about pages that are nowhere."""
    return (
        f"{', '.join(titles)} not found below {', '.join(map(str, places))}: "
        "install man-pages (Debian: manpages-dev), or say with --pages where man2 is"
    )


def _text(name: str, section: str, places: Sequence[Path]) -> str:
    for place in places:
        plain = place / f"man{section}" / f"{name}.{section}"
        if plain.is_file():
            return plain.read_text(encoding="utf-8", errors="replace")
        packed = plain.with_name(f"{plain.name}.gz")
        if packed.is_file():
            return _unpacked(packed)
    return ""


def _unpacked(path: Path) -> str:
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise NoPageError(f"{path}: {error}") from error
