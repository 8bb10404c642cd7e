# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found when a person read the pages: which behaviours verify each of their sentences.

There is a file for each page, `reviewed/fanotify_init.2.toml`:

    version = "man-pages 6.20"      the version of the page that was read
    only = "PIDFD|pidfd"            optional: reviewed are only sentences in which, or in whose place, this occurs

    [sentences]
    0123456789 = { place = "ERRORS, EMFILE", begins = "The number of fanotify groups", verified = ["INIT-BASIC"] }

A sentence is named by the hash of its text, and found by its place and first words; the manual's text is not stored.
What was found is one of

    verified = ["INIT-BASIC"]               these behaviours say the same, and tests verify them
    weak = ["INIT-BASIC"], why = "..."      they do not verify all of it; what they leave out
    missing = "..."                         no behaviour verifies it; what is not tried
    not-normative = "..."                   it promises nothing of this kernel; what it is instead
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from helpers.contract.behaviours import Behaviour
from reports.manual.roff import Page, Sentence

REVIEWED = Path(__file__).parent / "reviewed"


class ReviewError(Exception):
    """A file of the review is wrong, or a page is not in it; the text says which and why."""


class Verdict(StrEnum):
    """What was found of a sentence."""

    VERIFIED = "verified"
    WEAK = "weak"
    MISSING = "missing"
    NOT_NORMATIVE = "not-normative"


_NAMES_BEHAVIOURS = {Verdict.VERIFIED, Verdict.WEAK}


@dataclass(frozen=True)
class Reviewed:
    """A sentence that was read: its hash, where it stands, its first words, what was found, and why."""

    digest: str
    place: str
    begins: str
    verdict: Verdict
    behaviours: tuple[str, ...] = ()
    why: str = ""

    @property
    def line(self) -> str:
        """Return its line in the file of its page."""
        told: dict[str, object] = {"place": self.place, "begins": self.begins}
        told[self.verdict] = self.behaviours if self.verdict in _NAMES_BEHAVIOURS else self.why
        if self.verdict is Verdict.WEAK:
            told["why"] = self.why
        values = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in told.items())
        return f"{self.digest} = {{ {', '.join(values)} }}"


@dataclass(frozen=True, eq=False)
class Review:
    """A page that was read: its name and section, in which version, and its sentences by their hashes."""

    name: str
    section: str
    version: str
    only: str
    sentences: Mapping[str, Reviewed]

    @property
    def title(self) -> str:
        """Return the page as one writes it: fanotify_init(2)."""
        return f"{self.name}({self.section})"

    def of(self, page: Page) -> list[Sentence]:
        """Return those sentences of a page that the review is about."""
        about = re.compile(self.only)
        return [one for one in page.sentences if about.search(f"{one.place}: {one.text}")]


def load(directory: Path = REVIEWED) -> dict[str, Review]:
    """Return the reviewed pages by their titles; raise ReviewError at the first mistake."""
    reviews = [_review(path) for path in sorted(directory.glob("*.toml"))]
    return {one.title: one for one in reviews}


def chosen(reviews: Mapping[str, Review], names: list[str]) -> list[Review]:
    """Return the pages of these names, `fanotify_init` or `fanotify_init(2)`, all if none is named.

    Raises ReviewError: a page is not in the review.
    """
    if unknown := [name for name in names if not _named(reviews, name)]:
        raise ReviewError(f"{unknown[0]} is not reviewed, but {' '.join(reviews)}")
    return [one for one in reviews.values() if not names or {one.name, one.title}.intersection(names)]


def _named(reviews: Mapping[str, Review], name: str) -> bool:
    return any(name in (one.name, one.title) for one in reviews.values())


def mistakes(reviews: Mapping[str, Review], behaviours: Mapping[str, Behaviour]) -> list[str]:
    """Return a line for each sentence that has lost its behaviour, or whose behaviour no test verifies."""
    return [
        f"{title}, {one.place}, {one.begins!r}: {mistake}"
        for title, review in reviews.items()
        for one in review.sentences.values()
        for mistake in _lost(one, behaviours)
    ]


def _lost(one: Reviewed, behaviours: Mapping[str, Behaviour]) -> Iterator[str]:
    known = [behaviours[name] for name in one.behaviours if name in behaviours]
    yield from (f"there is no behaviour {name}" for name in one.behaviours if name not in behaviours)
    if one.verdict is Verdict.VERIFIED and known and all(behaviour.untested for behaviour in known):
        yield f"no test verifies {' or '.join(behaviour.id for behaviour in known)}"


# ---- reading the files ----


def _review(path: Path) -> Review:
    name, _, section = path.stem.rpartition(".")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ReviewError(f"{path}: {error}") from error
    version, only, sentences = table.pop("version", ""), table.pop("only", ""), table.pop("sentences", {})
    if table or not version or not sentences:
        raise ReviewError(f"{path}: it has version, sentences and perhaps only, and nothing else")
    try:
        re.compile(only)
    except re.error as error:
        raise ReviewError(f"{path}: only: {error}") from error
    return Review(
        name, section, version, only, {key: _sentence(path, key, sentences[key]) for key in sentences}
    )


def _sentence(path: Path, digest: str, entry: dict[str, Any]) -> Reviewed:
    found = [verdict for verdict in Verdict if verdict in entry]
    if len(found) != 1:
        raise ReviewError(f"{path}: {digest}: it needs one of {', '.join(Verdict)}")
    verdict = found[0]
    wanted = {"place", "begins", verdict} | ({"why"} if verdict is Verdict.WEAK else set())
    if wrong := wanted.symmetric_difference(entry):
        raise ReviewError(f"{path}: {digest}: {min(wrong)} is {'missing' if wrong & wanted else 'unknown'}")
    if empty := [key for key, value in entry.items() if not value]:
        raise ReviewError(f"{path}: {digest}: {empty[0]} is empty")
    told = entry[verdict]
    behaviours = tuple(told) if verdict in _NAMES_BEHAVIOURS else ()
    return Reviewed(
        digest,
        entry["place"],
        entry["begins"],
        verdict,
        behaviours,
        entry.get("why", "" if behaviours else told),
    )
