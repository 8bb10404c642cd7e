# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m reports: look at the runs that were kept, and write their formats again."""

from reports import interrupts

if __name__ == "__main__":
    interrupts.end_at_once()  # the imports below take a second

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.contract import behaviours
from helpers.contract.behaviours import BehaviourError
from helpers.contract.results import Result, kernels, read
from helpers.contract.status import Status
from reports import allure, bench, diff, exit_codes, kcidb, merge, missing, page, run, trace
from reports.browser import NoBrowserError
from reports.evidence import catalogue
from reports.exit_codes import ALARM, NOT_DONE
from reports.export import EXPORTERS, export_all, said
from reports.manual import compare, installed, review, roff
from reports.matrix import build
from reports.stored import Stored, load
from reports.summary import Line, summary
from reports.text import count, one_line

_COLOURS = {"red": "31", "green": "32", "yellow": "33"}
_RUN_HELP = "a run's name, as `list` shows it, or its directory (default: latest)"
_COMPARED_HELP = (
    "a run; with a kernel of it on both sides, these two are compared: latest:6.12 latest:patched"
)
_WRITE_AGAIN = {
    "matrix": "the page: matrix.html, and matrix.md and .json",
    "junit": "JUnit XML: junit.xml, and one per kernel",
    "ktap": "KTAP: ktap.txt, and one per kernel",
    "kcidb": "kcidb.json, for kcidb-submit",
    "ltp": "the JSON of LTP's kirk: <kernel>/ltp.json",
    "tmt": "results.yaml, tmt's custom results",
    "failed": "failed.txt, the tests that failed, which pytest takes as @failed.txt",
    "lava": "<kernel>/lava.txt, lines for lava-test-case",
    "allure": "allure-results, and allurerc.mjs",
}
_NARROWED = (
    ("--missing", compare.UNVERIFIED, "only sentences that no behaviour verifies, or not all of it"),
    (
        "--new",
        compare.UNREVIEWED,
        "only sentences that are new, changed or gone, with their lines for the review",
    ),
)
_TRACE = {"text": trace.as_text, "markdown": trace.as_markdown}
_RENDER = {"text": diff.as_text, "markdown": diff.as_markdown, "json": diff.as_json}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or NOT_DONE with one line on standard error when it cannot be done.

    `diff`, `manual`, `merge` and `trace --check` return 1 for what they are there to find.
    """
    chosen = _parser().parse_args(arguments)
    interrupts.heed()
    try:
        code = int(chosen.does(chosen) or 0)
        print(end="", flush=True)  # unlike sys.stdout.flush() also where standard output is closed
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (
        run.NoSuchRunError,
        merge.MergeError,
        trace.NotCollectedError,
        BehaviourError,
        allure.NoNodeError,
        kcidb.BadIdError,
        NoBrowserError,
        installed.NoPageError,
        review.ReviewError,
    ) as error:
        print(f"reports: {error}", file=sys.stderr)
        return NOT_DONE
    except OSError as error:
        print(
            f"reports: {': '.join(map(str, filter(None, (error.filename, error.strerror))))}", file=sys.stderr
        )
        return NOT_DONE
    except KeyboardInterrupt:
        print(interrupts.LINE, file=sys.stderr)
        return interrupts.INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=run.OUT,
        metavar="DIR",
        help="where the runs are kept (default: %(default)s)",
    )
    parser.set_defaults(does=_list)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help="default: list")

    def add(name: str, does: Callable[[Any], int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(does=does)
        return command

    add("list", _list, "list the runs, oldest first")
    _add_run(add("summary", _summary, "show what failed and how many tests ended how on each kernel"))
    comparing = add(
        "diff",
        _diff,
        "compare two runs; exit code 1 if something works no more, or is not looked at any more",
    )
    for name in ("old", "new"):
        comparing.add_argument(name, metavar=f"{name.upper()}[:KERNEL]", help=_COMPARED_HELP)
    comparing.add_argument("--format", choices=_RENDER, default="text")
    merging = add("merge", _merge, "make one run of several, and write its page and all other formats")
    merging.add_argument("runs", nargs="+", metavar="RUN", help=_RUN_HELP.partition(" (")[0])
    merging.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="RUN:KERNEL=NAME",
        help="give a kernel of a run another name: two kernels of one name are not merged; may be repeated",
    )
    merging.add_argument(
        "--force", action="store_true", help="merge also runs of different commits of the tests"
    )
    merging.add_argument("--into", type=Path, metavar="DIR", help="a new directory (default: a new run)")
    tracing = add(
        "trace", _trace, "show behaviours, their sources, their tests and their status on each kernel"
    )
    _add_run(tracing, default=None)
    tracing.add_argument("--format", choices=_TRACE, default="text")
    tracing.add_argument(
        "--check",
        action="store_true",
        help="look at no run: is there a test for every behaviour? if not, exit code 1",
    )
    reading = add(
        "manual",
        _manual,
        "show which behaviours verify each sentence of the manual; exit code 1 if pages differ from those reviewed",
    )
    reading.add_argument(
        "page",
        nargs="*",
        metavar="PAGE",
        help="fanotify_init or fanotify_init(2) (default: all that are reviewed)",
    )
    reading.add_argument(
        "--pages",
        type=Path,
        metavar="DIR",
        help="where man2 and so on are (default: MANPATH, /usr/share/man)",
    )
    narrowed = reading.add_mutually_exclusive_group()
    for option, statuses, text in _NARROWED:
        narrowed.add_argument(
            option, dest="shown", action="store_const", const=statuses, default=compare.STATUSES, help=text
        )
    reading.add_argument("--json", action="store_true", help="for programs")
    add("bench", _bench, "measure how long the page takes: to write, and to answer in Chromium")
    formats = {name: add(name, _export, f"write {text}") for name, text in _WRITE_AGAIN.items()}
    for command in formats.values():
        _add_run(command)
    formats["allure"].add_argument(
        "--html", action="store_true", help="and make HTML of it, in allure-report, with npm's allure 3"
    )
    formats["matrix"].add_argument("--against", metavar="RUN", help="show what changed since this run")
    formats["kcidb"].add_argument(
        "--origin", default=kcidb.ORIGIN, help="the CI system (default: %(default)s)"
    )
    formats["kcidb"].add_argument(
        "--build", action="append", default=[], metavar="KERNEL=ID", help="KCIDB's id of a kernel's build"
    )
    return parser


def _add_run(command: argparse.ArgumentParser, default: str | None = run.LATEST) -> None:
    command.add_argument("run", nargs="?", default=default, metavar="RUN", help=_RUN_HELP)


def _read(name: str, out: Path) -> tuple[list[Result], Path]:
    directory = run.find(name, out)
    results, left_out = read(directory / run.RESULTS)
    for note in left_out:
        print(f"{directory.name}/{run.RESULTS}: {note}", file=sys.stderr)
    if not results:
        raise run.NoSuchRunError(f"the run {directory} has no results")
    return missing.completed(directory, results), directory


def _list(chosen: argparse.Namespace) -> int:
    found = run.runs(chosen.out)
    if not found:
        print(run.none_yet(chosen.out), file=sys.stderr)
    code = 0
    for directory in found:
        try:
            stored = read(directory / run.RESULTS).results
        except OSError as error:  # one run that can not be read hides no other
            print(f"reports: {error.filename}: {error.strerror}", file=sys.stderr)
            code = NOT_DONE
            continue
        results = missing.completed(directory, stored)
        counts = Counter(result.status for result in results)
        words = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        line = "; ".join([words or "no results", *missing.reservations(directory, results)])
        print(f"{directory.name}  {' '.join(map(one_line, kernels(results)))}  {line}")
    return code


def _summary(chosen: argparse.Namespace) -> None:
    results, directory = _read(chosen.run, chosen.out)
    lines = [Line(line, "red") for line in missing.reservations(directory, results)]
    coloured = bool(sys.stdout and sys.stdout.isatty())
    for text, colour in [*summary(results, known=catalogue()), *lines]:
        print(f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour and coloured else text)


def _diff(chosen: argparse.Namespace) -> int:
    (old, before), (new, after) = (_chosen(words, chosen.out) for words in (chosen.old, chosen.new))
    if (
        old.name == new.name and chosen.old != chosen.new
    ):  # two directories of one name, or two kernels of one run
        old, new = replace(old, name=chosen.old), replace(new, name=chosen.new)
    comparison = diff.compare(old, new, before, after)
    print(_RENDER[chosen.format](comparison), end="")
    return ALARM if comparison.alarming else 0


def _chosen(words: str, out: Path) -> tuple[Stored, str]:
    """Return the run that is meant by RUN or RUN:KERNEL, and the kernel, "" if none was chosen."""
    try:
        directory, kernel = run.find(words, out), ""
    except run.NoSuchRunError:
        name, colon, kernel = words.rpartition(":")
        if not colon:
            raise
        directory = run.find(name, out)
    found = load(directory)
    for note in found.left_out:
        print(f"{directory.name}/{run.RESULTS}: {note}", file=sys.stderr)
    if not found.columns:
        raise run.NoSuchRunError(f"the run {directory} has no results")
    if kernel and kernel not in found.columns:
        raise run.NoSuchRunError(f"{words}: the run has no kernel {kernel}, but {' '.join(found.columns)}")
    return found, kernel


def _merge(chosen: argparse.Namespace) -> int:
    sources = [merge.source(name, chosen.out) for name in chosen.runs]
    if all(one.missing for one in sources):
        raise merge.MergeError(
            f"there is nothing to merge: {'; '.join(line for one in sources for line in one.problems)}"
        )
    sources = merge.renamed(sources, chosen.rename)
    merge.check(sources, force=chosen.force)
    target = chosen.into or run.new(chosen.out)
    merged = merge.merge(sources, target)
    if not chosen.into:
        run.point_latest_at(target)
        print(f"{run.LATEST} is {target.name} now", file=sys.stderr)
    lacking = merge.missing(sources, merged)
    failed = said(export_all(merged.results, target), target)
    notes = [*merge.differing(sources), *merged.balance.doubts]
    for line in (*notes, *(f"missing: {line}" for line in lacking if line not in notes), *failed):
        print(f"reports: {one_line(line)}", file=sys.stderr)
    print(target / run.PAGE)
    return exit_codes.combined(ALARM if lacking else 0, NOT_DONE if failed else 0)


def _trace(chosen: argparse.Namespace) -> int:
    known = behaviours.load()
    if chosen.check and chosen.run:
        raise run.NoSuchRunError(f"trace --check looks at no run; leave out {chosen.run}")
    if chosen.check:
        print("reports: the tests of the suites are collected", file=sys.stderr, flush=True)
        mistakes = trace.mistakes(known, trace.collected())
        print(*mistakes, f"{count(len(known), 'behaviour')}, {count(len(mistakes), 'mistake')}", sep="\n")
        return int(bool(mistakes))
    results, directory = _read(chosen.run or run.LATEST, chosen.out)
    matrix = build(results, known, whole=True, balance=missing.balance(directory, results))
    print(_TRACE[chosen.format](matrix), end="")
    return 0


def _manual(chosen: argparse.Namespace) -> int:
    reviews = review.load()
    places = [chosen.pages] if chosen.pages else installed.directories()
    wanted = {
        one: installed.source(one.name, one.section, places) for one in review.chosen(reviews, chosen.page)
    }
    lacking = [one.title for one, source in wanted.items() if not source]
    if len(lacking) == len(wanted):
        raise installed.NoPageError(installed.lacking(lacking, places))
    compared = [compare.compare(one, roff.read(source)) for one, source in wanted.items() if source]
    print((compare.as_json if chosen.json else compare.as_text)(compared, chosen.shown), end="")
    mistakes = review.mistakes(reviews, behaviours.load())
    for line in (*mistakes, *([installed.lacking(lacking, places)] if lacking else [])):
        print(f"reports: {line}", file=sys.stderr)
    different = mistakes or any(one.is_different for one in compared)
    return exit_codes.combined(ALARM if different else 0, NOT_DONE if lacking else 0)


def _bench(_: argparse.Namespace) -> None:
    bench.main()


def _export(chosen: argparse.Namespace) -> None:
    results, directory = _read(chosen.run, chosen.out)
    if chosen.command == "kcidb":
        written = kcidb.write(results, directory, chosen.origin, kcidb.builds(chosen.build))
    elif chosen.command == "matrix" and chosen.against:
        old, kernel = _chosen(chosen.against, chosen.out)
        written = page.write(results, directory, diff.compare(old, load(directory), kernel))
    else:
        written = EXPORTERS[chosen.command](results, directory)
    if chosen.command == "allure" and chosen.html:
        written = [allure.render(directory)]
        print(f"to open it: npx allure@3 open {written[0]}", file=sys.stderr)
    if chosen.command == "failed" and not any(path.stat().st_size for path in written):
        said = "; ".join(["no failed tests", *missing.reservations(directory, results)])
        print(said, file=sys.stderr)
    for path in written:
        print(path)


if __name__ == "__main__":
    sys.exit(main())
