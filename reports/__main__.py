# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m reports: look at the runs that were kept, and write their formats again."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from reports import run
from reports.export import EXPORTERS
from reports.results import Result, kernels, read
from reports.status import Status
from reports.summary import summary

_COLOURS = {"red": "31", "green": "32", "yellow": "33"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with one line on standard error when it cannot be done."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "list":
            _list(chosen.out)
        else:
            _show(chosen.command, run.find(chosen.run, chosen.out))
    except (run.NoSuchRunError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=run.OUT,
        metavar="DIR",
        help="where the runs are kept (default: %(default)s)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="list the runs, oldest first")
    helps = {
        "summary": "show what failed and how many tests ended how on each kernel",
        "junit": "write <run>/<kernel>/junit.xml",
        "allure": "write <run>/allure-results",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("run", nargs="?", default=run.LATEST, metavar="RUN", help=_RUN_HELP)
    return parser


_RUN_HELP = "a run's name, as `list` shows it, or its directory (default: latest)"


def _list(out: Path) -> None:
    for directory in run.runs(out):
        results = read(directory / run.RESULTS).results
        counts = Counter(result.status for result in results)
        words = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        print(f"{directory.name}  {' '.join(kernels(results))}  {words or 'no results'}")


def _show(command: str, directory: Path) -> None:
    results, left_out = read(directory / run.RESULTS)
    for note in left_out:
        print(f"{run.RESULTS}: {note}", file=sys.stderr)
    if not results:
        raise run.NoSuchRunError(f"the run {directory} has no results")
    if command == "summary":
        _summary(results)
    else:
        for path in EXPORTERS[command](results, directory):
            print(path)


def _summary(results: list[Result]) -> None:
    for text, colour in summary(results):
        print(f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour and sys.stdout.isatty() else text)


if __name__ == "__main__":
    sys.exit(main())
