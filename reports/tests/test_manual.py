# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's sentences: how pages are cut into them, what is new, and that none has lost its behaviour."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.contract import behaviours
from reports.__main__ import main
from reports.manual import installed, review, roff
from reports.manual.compare import CHANGED, GONE, NEW, as_json, as_text, compare
from reports.manual.installed import NoPageError
from reports.manual.review import REVIEWED, Review, Reviewed, ReviewError, Verdict
from reports.manual.roff import Sentence

KNOWN = behaviours.load()
REVIEWS = review.load()

# ---- the review and the behaviours ----


def test_every_sentence_that_was_reviewed_has_its_behaviour() -> None:
    assert review.mistakes(REVIEWS, KNOWN) == []


def test_a_behaviour_that_is_gone_is_missed() -> None:
    without = {name: one for name, one in KNOWN.items() if name != "POPEN-ENFILE"}
    assert review.mistakes(REVIEWS, without) == [
        "pidfd_open(2), ERRORS, ENFILE, 'The system-wide limit on the total': there is no behaviour POPEN-ENFILE"
    ]


def test_a_behaviour_without_a_test_verifies_nothing() -> None:
    untested = KNOWN | {"POPEN-ENFILE": replace(KNOWN["POPEN-ENFILE"], untested="why not")}
    assert [line.rpartition(": ")[2] for line in review.mistakes(REVIEWS, untested)] == [
        "no test verifies POPEN-ENFILE"
    ]


ENTRY = 'place = "A", begins = "B"'
BAD = {
    "no-toml": ("version = ", "Invalid value"),
    "no-version": (f'[sentences]\n01 = {{ {ENTRY}, missing = "C" }}', "it has version, sentences"),
    "no-sentence": ('version = "1"', "it has version, sentences"),
    "unknown-key": ('version = "1"\nmore = 1\n[sentences]', "it has version, sentences"),
    "only": (
        f'version = "1"\nonly = "("\n[sentences]\n01 = {{ {ENTRY}, missing = "C" }}',
        "only: missing ), unterminated subpattern",
    ),
    "no-verdict": (f'version = "1"\n[sentences]\n01 = {{ {ENTRY} }}', "01: it needs one of verified"),
    "two-verdicts": (
        f'version = "1"\n[sentences]\n01 = {{ {ENTRY}, missing = "C", verified = ["D"] }}',
        "01: it needs one of verified",
    ),
    "no-place": ('version = "1"\n[sentences]\n01 = { begins = "B", missing = "C" }', "01: place is missing"),
    "no-reason": (f'version = "1"\n[sentences]\n01 = {{ {ENTRY}, weak = ["C-D"] }}', "01: why is missing"),
    "reason": (
        f'version = "1"\n[sentences]\n01 = {{ {ENTRY}, verified = ["C-D"], why = "E" }}',
        "01: why is unknown",
    ),
    "empty": (f'version = "1"\n[sentences]\n01 = {{ {ENTRY}, verified = [] }}', "01: verified is empty"),
}


@pytest.mark.parametrize(("text", "mistake"), BAD.values(), ids=BAD)
def test_a_mistake_in_a_review_is_told(tmp_path: Path, text: str, mistake: str) -> None:
    (tmp_path / "page.2.toml").write_text(text)
    with pytest.raises(ReviewError) as told:
        review.load(tmp_path)
    assert f"page.2.toml: {mistake}" in str(told.value)


# ---- a page and its sentences ----

SENTENCES = {
    "lines": ("One\nsentence.\nAnother.", ["One sentence.", "Another."]),
    "paragraph": ("These:\n.P\nOne", ["These:", "One"]),
    "fonts": (".BR read (2)\nof \\f[I]fd\\f[] fails.", ["read(2) of fd fails."]),
    "reference": (".MR read 2 ,\nor not.", ["read(2), or not."]),
    "quoted": ('.BI "int " fd "\\~x"', ["int fd x"]),
    "characters": ("\\-1\\ a\\[em]b\\&.", ["-1 a\N{EM DASH}b."]),
    "comment": ('.\\" no\nOne \\" no\nmore.', ["One more."]),
    "remark": ("(See\nthat.)\nEnd.", ["(See that.)", "End."]),
    "within": ("A child (or etc.)\nof this (e.g.\nthat).", ["A child (or etc.) of this (e.g. that)."]),
    "structure": (".EX\nint a.\nint b;\n.EE\nEnd.", ["int a. int b;", "End."]),
    "list": (".IP \\[bu] 3\none;\n.IP \\[bu]\ntwo.", ["one;", "two."]),
}


def read(source: str, head: str = ".SH DESCRIPTION\n") -> list[Sentence]:
    return list(roff.read(head + source).sentences)


@pytest.mark.parametrize(("source", "sentences"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(source: str, sentences: list[str]) -> None:
    assert [one.text for one in read(source)] == sentences


PLACES = {
    "flag": (".TP\n.B A\nOne.", ["D, A"]),
    "two-flags": (".TP\n.B A\n.TQ\n.B B\nOne.", ["D, A B"]),
    "since": ('.TP\n.BR A " (since Linux 5.1)"\nOne.', ["D, A", "D, A"]),
    "paragraph": (".TP\n.B A\nOne.\n.IP\nTwo.\n.P\nThree.", ["D, A", "D, A", "D"]),
    "indented": (".TP\n.B A\n.RS\n.TP\n.B B\nOne.\n.RE\n.IP\nTwo.", ["D, A, B", "D, A"]),
    "subsection": (".SS S\n.TP\n.B A\nOne.\n.SS T\nTwo.", ["D, S, A", "D, T"]),
}


@pytest.mark.parametrize(("source", "places"), PLACES.values(), ids=PLACES)
def test_places(source: str, places: list[str]) -> None:
    assert [one.place for one in read(source, ".SH D\n")] == places


@pytest.mark.parametrize("section", ["NAME", "SYNOPSIS", "EXAMPLES", "SEE ALSO"])
def test_sections_without_promises(section: str) -> None:
    assert read("One.", f'.SH "{section}"\n') == []


def test_what_a_sentence_is_known_by() -> None:
    flag, other, again = ".TP\n.B A\nIt is.", ".TP\n.B B\nIt is.", "\n.P\n.TP\n.B A\nIt is."
    first, second, third = read(f"{flag}\n{other}{again}")
    assert len({first.digest, second.digest, third.digest}) == 3
    assert read(flag.replace("It is.", "It\n.I is."), ".SH NOTES\n")[0].digest == first.digest


# ---- a page and its review ----

PAGE = """.TH small 2 2026-01-01 "Linux man-pages 1.0"
.SH DESCRIPTION
The first.
.SH ERRORS
.TP
.B EINVAL
The second.
.TP
.B EPERM
The third.
"""
NEWER = (
    PAGE.replace("The second", "The second one")
    .replace("The third", "")
    .replace("The first.", "The first.\nMore.")
)


@pytest.fixture
def small(tmp_path: Path) -> Review:
    """The review of a small page: its first sentence verified, its second weak, its third missing."""
    told = ['verified = ["A-B"]', 'weak = ["A-B"], why = "not all"', 'missing = "not tried"']
    lines = [
        f'{one.digest} = {{ place = "{one.place}", begins = "{one.text}", {found} }}\n'
        for one, found in zip(roff.read(PAGE).sentences, told, strict=True)
    ]
    (tmp_path / "small.2.toml").write_text(f'version = "man-pages 1.0"\n[sentences]\n{"".join(lines)}')
    return review.load(tmp_path)["small(2)"]


def test_a_page_as_it_was_reviewed(small: Review) -> None:
    found = compare(small, roff.read(PAGE))
    assert [row.status for row in found.rows] == [Verdict.VERIFIED, Verdict.WEAK, Verdict.MISSING]
    assert (found.version, found.is_different) == ("man-pages 1.0", False)


def test_a_page_with_sentences_that_are_new_changed_and_gone(small: Review) -> None:
    found = compare(small, roff.read(NEWER))
    assert [(row.status, row.text) for row in found.rows] == [
        (Verdict.VERIFIED, "The first."),
        (NEW, "More."),
        (CHANGED, "The second one."),
        (GONE, "The third. …"),
    ]
    assert found.is_different


def test_a_line_for_the_review_is_printed_that_says_what_it_said(small: Review, tmp_path: Path) -> None:
    lines = as_text([compare(small, roff.read(NEWER))], [CHANGED]).splitlines()
    (line,) = [line.strip() for line in lines if " = {" in line]
    (tmp_path / "small.2.toml").write_text(f'version = "man-pages 1.1"\n[sentences]\n{line}\n')
    (entry,) = review.load(tmp_path)["small(2)"].sentences.values()
    assert (entry.begins, entry.verdict, entry.behaviours, entry.why) == (
        "The second one.",
        Verdict.WEAK,
        ("A-B",),
        "not all",
    )


LIKE = """.SH D
If path is NULL, that is it.
If path is absolute, that is it.
"""


def test_of_several_in_one_place_the_one_that_is_most_alike_has_changed(small: Review) -> None:
    entries = {
        one.digest: Reviewed(one.digest, "D", one.text, Verdict.MISSING) for one in roff.read(LIKE).sentences
    }
    newer = LIKE.replace("If path is NULL, that is it.\n", "").replace("path", "pathname")
    rows = compare(replace(small, sentences=entries), roff.read(newer)).rows
    assert [(row.status, row.text, row.before and row.before.begins) for row in rows] == [
        (CHANGED, "If pathname is absolute, that is it.", "If path is absolute, that is it."),
        (GONE, "If path is NULL, that is it. …", None),
    ]


@pytest.mark.parametrize("title", REVIEWS)
def test_lines_of_the_review_are_written_as_they_are_read(title: str) -> None:
    one = REVIEWS[title]
    lines = [entry.line for entry in one.sentences.values()]
    assert (REVIEWED / f"{one.name}.{one.section}.toml").read_text(encoding="utf-8").splitlines()[
        -len(lines) :
    ] == lines


def test_only_the_part_that_is_reviewed_counts(small: Review) -> None:
    part = replace(small, only="EPERM", sentences={})
    assert [row.text for row in compare(part, roff.read(PAGE)).rows] == ["The third."]


def test_for_programs(small: Review) -> None:
    (page,) = json.loads(as_json([compare(small, roff.read(NEWER))], [GONE]))
    assert {status for status, number in page["counts"].items() if number} == {
        "verified",
        "new",
        "changed",
        "gone",
    }
    assert [one["text"] for one in page["sentences"]] == ["The third. …"]


# ---- the pages of this machine ----


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A directory of pages."""
    for section in ("man2", "man5"):
        (tmp_path / "man" / section).mkdir(parents=True)
    return tmp_path / "man"


def test_a_page_is_found_compressed_or_not_or_by_another_name(pages: Path) -> None:
    (pages / "man2/a.2").write_text("plain")
    (pages / "man2/b.2.gz").write_bytes(gzip.compress(b"packed"))
    (pages / "man2/c.2").write_text(".so man2/b.2\n")
    found = [installed.source(name, "2", [pages / "none", pages]) for name in "abcd"]
    assert found == ["plain", "packed", "packed", ""]


def test_a_page_that_is_damaged_is_told(pages: Path) -> None:
    (pages / "man2/a.2.gz").write_bytes(gzip.compress(b"packed")[:-9])
    with pytest.raises(NoPageError, match=r"a\.2\.gz: "):
        installed.source("a", "2", [pages])


CORE = """.TH core 5 2026-01-01 "Linux man-pages {}"
.SH DESCRIPTION
.SS Naming of core dump files
.TP
%F
{}
"""
REVIEWED_CORE = CORE.format("6.20", "PIDFD of dumped process (since Linux 6.16).")
EXIT_CODES = {
    "as-reviewed": (REVIEWED_CORE, ["core"], 0),
    "changed": (CORE.format("7.0", "No PIDFD."), ["core(5)"], 1),
    "changed-and-missing": (CORE.format("7.0", "No PIDFD."), ["core", "setns"], 1),
    "one-missing": (REVIEWED_CORE, ["core", "setns"], 2),
    "none-there": (REVIEWED_CORE, ["setns"], 2),
    "unknown": (REVIEWED_CORE, ["nothing"], 2),
}


@pytest.mark.parametrize(("source", "names", "code"), EXIT_CODES.values(), ids=EXIT_CODES)
def test_exit_codes(pages: Path, source: str, names: list[str], code: int) -> None:
    (pages / "man5/core.5").write_text(source)
    assert main(["manual", "--pages", str(pages), *names]) == code


def test_where_there_are_no_pages_one_line_says_what_to_do(
    pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manual", "--pages", str(pages)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.endswith(
        "install man-pages (Debian: manpages-dev), or say with --pages where man2 is\n"
    )


def test_statuses_are_narrowed(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pages / "man5/core.5").write_text(REVIEWED_CORE)
    shown = []
    for option in ([], ["--missing"], ["--new"]):
        main(["manual", "--pages", str(pages), "core", *option])
        shown.append("PIDFD of dumped process" in capsys.readouterr().out)
    assert shown == [True, True, False]


def test_a_file_of_the_review_is_of_a_page() -> None:
    assert {f"{one.name}.{one.section}.toml" for one in REVIEWS.values()} == {
        path.name for path in REVIEWED.iterdir()
    }
