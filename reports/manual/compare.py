# SPDX-License-Identifier: GPL-2.0-or-later
"""A page of the manual held against its review."""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches

from rich.console import Console
from rich.table import Table

from reports.manual.review import Review, Reviewed, Verdict
from reports.manual.roff import Page, Sentence
from reports.text import printable

CHANGED, NEW, GONE = "changed", "new", "gone"
UNREVIEWED = (CHANGED, NEW, GONE)
UNVERIFIED = (Verdict.WEAK, Verdict.MISSING)
STATUSES = (*Verdict, *UNREVIEWED)

_BEGINNING = 6
"""How many words of a sentence the review repeats."""


@dataclass(frozen=True)
class Row:
    """A sentence and what is known of it.

    Attributes:
        status: the verdict of the review, or changed, new or gone.
        digest: what identifies it.
        place: its section, and the flag, field or errno that it is about.
        text: the sentence; of one that is gone the first words.
        behaviours: those that verify it.
        why: the reason of the verdict.
        before: what was found of the sentence that stood in its place, when it has changed.
    """

    status: str
    digest: str
    place: str
    text: str
    behaviours: tuple[str, ...] = ()
    why: str = ""
    before: Reviewed | None = None


@dataclass(frozen=True)
class Comparison:
    """A page, the version of it that is here, the one that was reviewed, and its sentences."""

    page: str
    version: str
    reviewed: str
    rows: tuple[Row, ...]

    @property
    def counts(self) -> Counter[str]:
        """Return how many sentences there are of each status."""
        return Counter(row.status for row in self.rows)

    @property
    def is_different(self) -> bool:
        """Whether the page is not the one that was reviewed."""
        return any(row.status in UNREVIEWED for row in self.rows)


def compare(review: Review, page: Page) -> Comparison:
    """Return the sentences of a page, in its order, and then those that it has no more."""
    sentences = review.of(page)
    present = {one.digest for one in sentences}
    lost: dict[str, list[Reviewed]] = defaultdict(list)  # by place
    for entry in review.sentences.values():
        if entry.digest not in present:
            lost[entry.place].append(entry)
    rows = [_row(one, review.sentences.get(one.digest), lost) for one in sentences]
    gone = [
        Row(GONE, one.digest, one.place, f"{one.begins} …", one.behaviours, one.why)
        for entries in lost.values()
        for one in entries
    ]
    return Comparison(review.title, page.version, review.version, (*rows, *gone))


def _row(one: Sentence, entry: Reviewed | None, lost: dict[str, list[Reviewed]]) -> Row:
    """Return what is known of a sentence; one like a sentence that was lost in the same place is that one, changed."""
    if entry:
        return Row(entry.verdict, one.digest, one.place, one.text, entry.behaviours, entry.why)
    begun = {entry.begins: entry for entry in lost[one.place]}
    for alike in get_close_matches(_beginning(one.text), begun, n=1):
        lost[one.place].remove(begun[alike])
        return Row(CHANGED, one.digest, one.place, one.text, before=begun[alike])
    return Row(NEW, one.digest, one.place, one.text)


def _beginning(text: str) -> str:
    return " ".join(text.split()[:_BEGINNING])


def as_json(comparisons: Sequence[Comparison], shown: Sequence[str]) -> str:
    """Return pages, how many sentences of each status they have, and the sentences of those statuses that are shown."""
    pages = [
        {
            "page": one.page,
            "version": one.version,
            "reviewed": one.reviewed,
            "counts": {status: one.counts[status] for status in STATUSES},
            "sentences": [asdict(row) for row in one.rows if row.status in shown],
        }
        for one in comparisons
    ]
    return json.dumps(pages, indent=1, ensure_ascii=False) + "\n"


def as_text(comparisons: Sequence[Comparison], shown: Sequence[str]) -> str:
    """Return the sentences of those statuses that are shown, and a table of all statuses."""
    lines = [line for one in comparisons for line in _lines(one, shown)]
    return printable("".join(f"{line}\n" for line in [*lines, *_table(comparisons)]))


def _lines(comparison: Comparison, shown: Sequence[str]) -> Iterator[str]:
    for row in comparison.rows:
        if row.status in shown:
            about = [" ".join(row.behaviours), row.why, f"was: {row.before.begins} …" if row.before else ""]
            yield f"{comparison.page}, {row.place}: {row.text}"
            yield f"    {': '.join(filter(None, (row.status, '; '.join(filter(None, about)))))}"
            if row.status in (CHANGED, NEW):
                yield f"    {_proposed(row).line}"
            yield ""


def _proposed(row: Row) -> Reviewed:
    """Return what the review may say of a sentence: what it said before the sentence changed."""
    before = row.before or Reviewed(row.digest, row.place, "", Verdict.VERIFIED)
    return replace(before, digest=row.digest, begins=_beginning(row.text))


def _table(comparisons: Sequence[Comparison]) -> list[str]:
    table = Table(box=None, pad_edge=False)
    for name in ("page", "version", "reviewed"):
        table.add_column(name, no_wrap=True)
    for name in (*STATUSES, "sentences"):
        table.add_column(name, no_wrap=True, justify="right")
    total: Counter[str] = Counter()
    for one in comparisons:
        total += one.counts
        table.add_row(one.page, one.version, one.reviewed, *_numbers(one.counts))
    table.add_row("all", "", "", *_numbers(total))
    text = io.StringIO()
    Console(file=text, width=200, color_system=None).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _numbers(counts: Counter[str]) -> list[str]:
    return [
        str(number) for number in (*(counts[status] for status in STATUSES), counts.total() - counts[GONE])
    ]
