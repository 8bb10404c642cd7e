# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix for people: one HTML page that needs nothing else, and a summary in Markdown for CI systems."""

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from helpers.contract import behaviours
from helpers.contract.results import Result, kernels
from helpers.contract.sources import Kind
from helpers.contract.status import MEANING, VOCABULARY, Status
from reports import diff, evidence
from reports.matrix import Kernel, Matrix, Row, build, document
from reports.missing import balance, tests
from reports.run import PAGE, consoles, replace_file
from reports.sources import references
from reports.text import count, markdown, one_line, printable

SIGNS = {
    Status.PASS: "✓",
    Status.SKIP: "–",  # noqa: RUF001 - a dash is what a table has where there is nothing
    Status.XFAIL: "≈",
    Status.XPASS: "!",
    Status.NOT_RUN: "…",
    Status.ERROR: "?",
    **dict.fromkeys((Status.FAIL, Status.LOST, Status.HANG, Status.PANIC), "✗"),
}
"""What a status looks like beside its word: no meaning hangs on a colour alone."""

_MOST = 30
"""How many broken and how many changed behaviours the top of a page shows; the filter shows all."""


def totals(matrix: Matrix) -> list[tuple[Status, list[int]]]:
    """Return how many behaviours there are of each status on each kernel, the worst status first."""
    counts = [matrix.counts(kernel.name) for kernel in matrix.kernels]
    lines = [(status, [count[status] for count in counts]) for status in reversed(Status)]
    return [(status, line) for status, line in lines if any(line)]


def verdict(matrix: Matrix) -> str:
    """Say in a sentence what came out, first of all if not all came out."""
    if not matrix.kernels:
        return "No results."
    said = [f"{line[:1].upper()}{line[1:]}." for line in map(one_line, matrix.balance.reservations)]
    if matrix.unbooted:
        said.append(f"{one_line(' '.join(matrix.unbooted))} did not boot.")
    return " ".join([*said, _verdict(matrix)])


def _verdict(matrix: Matrix) -> str:
    run = [row for row in matrix.rows if row.ran and not row.is_boot]
    if not run:
        return "No test ran."
    booted = count(len(matrix.kernels) - len(matrix.unbooted), "kernel")
    where = f"{count(len(run), 'behaviour')} on {booted}{_apart(run)}"
    broken = [row for row in matrix.broken if not row.is_boot]
    wrong = [row for row in broken if row.breaking]
    other = [row for row in broken if row.failing and not row.breaking]
    rest = len(broken) - len(wrong) - len(other)
    if not broken:
        return f"{'Nothing' if matrix.balance.complete else 'Nothing that ran'} is broken: {where}."
    differ = "differs" if len(other) == 1 else "differ"
    also = [(len(other), f"{differ} from what was observed"), (rest, "could not be judged")]
    if not wrong:
        but = " and ".join(f"{number} {what}" for number, what in also if number)
        return f"No kernel breaks a behaviour, but {but}: {where}."
    kernels = {name for row in wrong for name in row.breaking}
    verb = "breaks" if len(kernels) == 1 else "break"
    text = f"{len(kernels)} of {booted} {verb} {len(wrong)} of {count(len(run), 'behaviour')}"
    return "; ".join([text, *(f"{number} more {what}" for number, what in also if number)]) + "."


def _apart(rows: Sequence[Row]) -> str:
    """Say how many behaviours are not broken, and not verified everywhere either."""
    known = sum(Status.XFAIL in row.statuses.values() for row in rows)
    skipped = sum({*row.statuses.values()} == {Status.SKIP} for row in rows)
    found = [(known, "with a known issue"), (skipped, "skipped on every kernel")]
    return "".join(f", {number} {what}" for number, what in found if number)


def part(row: Row, kernel: str) -> str:
    """Return how many of the tests behind a cell are the reason for its status, if not all of them are."""
    found = row.results[kernel]
    number = sum(1 for result in found if result.status is row.statuses[kernel])
    return f" {number}/{len(found)}" if number < len(found) else ""


def ran(kernel: Kernel) -> str:
    """Return how many tests ran, and of how many if not all did."""
    return str(kernel.ran) if kernel.ran == kernel.planned else f"{kernel.ran} of {kernel.planned}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "md": markdown,
    "one_line": one_line,
    "printable": printable,
    "references": references,
}
_TEMPLATES.globals |= {
    "KINDS": list(Kind),
    "MEANING": MEANING,
    "MOST": _MOST,
    "SIGNS": SIGNS,
    "VOCABULARY": VOCABULARY,
    "about": diff.about,
    "groups": diff.groups,
    "lost": diff.lost,
    "part": part,
    "ran": ran,
    "told": evidence.headline,
    "totals": totals,
    "verdict": verdict,
}


def html(matrix: Matrix) -> str:
    """Return the page."""
    return _TEMPLATES.get_template("matrix.html").render(matrix=matrix, data=document(matrix))


def summary(matrix: Matrix) -> str:
    """Return the matrix in Markdown."""
    return _TEMPLATES.get_template("matrix.md").render(matrix=matrix)


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write matrix.html, .md and .json, with what changed since the newest comparable run. Raises OSError."""
    return write(results, run, diff.earlier(run, results))


def write(results: Sequence[Result], run: Path, comparison: diff.Comparison | None) -> list[Path]:
    """Write matrix.html, .md and .json with this comparison at the top. Raises OSError."""
    matrix = build(
        results,
        behaviours.load(),
        run.name,
        comparison,
        balance=balance(run, results),
        consoles={kernel: consoles(run, kernel) for kernel in kernels(results)},
        tests=tests(run),
    )
    texts = {
        PAGE: html(matrix),
        "matrix.md": summary(matrix),
        "matrix.json": json.dumps(document(matrix), indent=1) + "\n",
    }
    return [replace_file(run / name, text.encode()) for name, text in texts.items()]
