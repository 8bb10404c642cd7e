# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit XML for CI systems: one suite per kernel, since a test id is the same on every kernel.

The strictest of the schemas in use, that of Jenkins' xunit plugin (junit-10.xsd), decides what is written: it
knows properties of a suite but none of a test case, so a test's behaviours are a line of its output.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from helpers.contract.results import Result, kernels
from reports.evidence import NONE, Catalogue, as_text, catalogue
from reports.missing import headline
from reports.names import split
from reports.run import kernel_directory, replace_file
from reports.text import one_line, printable

_ELEMENTS = {"failure": Failure, "error": Error, "skipped": Skipped}


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/<kernel>/junit.xml` for each kernel, and all suites to `<run>/junit.xml`. Raises OSError."""
    by_kernel = kernels(results)
    line, known = headline(run, results), catalogue()
    written = [
        replace_file(kernel_directory(run, kernel) / "junit.xml", document({kernel: tests}, line, known))
        for kernel, tests in by_kernel.items()
    ]
    return [*written, replace_file(run / "junit.xml", document(by_kernel, line, known))]


def document(by_kernel: Mapping[str, Sequence[Result]], line: str = "", known: Catalogue = NONE) -> bytes:
    """Return JUnit XML with a suite for each kernel; `line` says whether the run is complete."""
    root = JUnitXml()
    for kernel, results in by_kernel.items():
        root.add_testsuite(_suite(kernel, results, line, known))
    text: bytes = root.tostring()
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text + b"\n"


def _suite(kernel: str, results: Sequence[Result], line: str, known: Catalogue) -> TestSuite:
    suite = TestSuite(printable(f"fapitest {kernel}"))
    if began := [result.begin for result in results if result.begin]:
        suite.timestamp = min(began).isoformat(timespec="seconds")[:19]
    for name, value in _facts(kernel, results, line).items():
        suite.add_property(name, value)
    suite.add_testcases([_case(result, known) for result in results])
    return suite


def _facts(kernel: str, results: Sequence[Result], line: str) -> dict[str, str]:
    behaviours = {behaviour for result in results for behaviour in result.behaviours}
    return {
        **({"run": line} if line else {}),
        "kernel": printable(kernel),
        "release": one_line(next((result.release for result in results if result.release), "")),
        "accel": one_line(next((result.accel for result in results if result.accel), "")),
        "behaviours": printable(" ".join(sorted(behaviours))),
    }


def _case(result: Result, known: Catalogue) -> TestCase:
    classname, name = split(result.test)
    case = TestCase(printable(name), printable(classname), round(result.duration, 3))
    if result.words.junit:
        outcome = _ELEMENTS[result.words.junit](
            one_line(result.headline or result.status), str(result.status)
        )
        outcome.text = as_text(result, known)
        case.append(outcome)
    if result.behaviours:
        case.system_out = printable(f"behaviours: {' '.join(result.behaviours)}")
    return case
