# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit XML for CI systems: one file and one suite per kernel, since a test id is the same on every kernel.

The strictest of the schemas in use, that of Jenkins' xunit plugin (junit-10.xsd), decides what is written: it
knows properties of a suite but none of a test case, so a test's behaviours are a line of its output.
"""

from collections.abc import Sequence
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from reports.results import Result, kernels
from reports.run import kernel_directory, replace_file
from reports.text import printable

_ELEMENTS = {"failure": Failure, "error": Error, "skipped": Skipped}


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/<kernel>/junit.xml` for each kernel. Raises OSError."""
    return [
        replace_file(kernel_directory(run, kernel) / "junit.xml", document(kernel, tests))
        for kernel, tests in kernels(results).items()
    ]


def document(kernel: str, results: Sequence[Result]) -> bytes:
    """Return the JUnit XML of one kernel's results."""
    suite = TestSuite(printable(f"fapitest {kernel}"))
    if started := min((result.started for result in results if result.started), default=""):
        suite.timestamp = started[:19]
    for name, value in _facts(kernel, results).items():
        suite.add_property(name, printable(value))
    suite.add_testcases([_case(result) for result in results])
    root = JUnitXml()
    root.add_testsuite(suite)
    text: bytes = root.tostring()
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text + b"\n"


def _facts(kernel: str, results: Sequence[Result]) -> dict[str, str]:
    behaviours = {behaviour for result in results for behaviour in result.behaviours}
    return {
        "kernel": kernel,
        "release": next((result.release for result in results if result.release), ""),
        "accel": next((result.accel for result in results if result.accel), ""),
        "behaviours": " ".join(sorted(behaviours)),
    }


def _case(result: Result) -> TestCase:
    classname, name = split(result.test)
    case = TestCase(printable(name), printable(classname), round(result.duration, 3))
    if result.words.junit:
        outcome = _ELEMENTS[result.words.junit](
            printable(result.headline or result.status), str(result.status)
        )
        outcome.text = printable("\n\n".join(filter(None, [result.message, result.console])))
        case.append(outcome)
    if result.behaviours:
        case.system_out = printable(f"behaviours: {' '.join(result.behaviours)}")
    return case


def split(test: str) -> tuple[str, str]:
    """Split a node id as pytest's own JUnit files do: `dir/a.py::Test::x[y]` is `dir.a.Test`, `x[y]`."""
    path, separator, rest = test.partition("::")
    if not separator:  # a file that could not be collected
        path, _, rest = test.rpartition("/")
    names, bracket, parameters = rest.partition("[")
    *classes, name = names.split("::")
    return ".".join([path.removesuffix(".py").replace("/", "."), *classes]), name + bracket + parameters
