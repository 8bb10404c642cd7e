# SPDX-License-Identifier: GPL-2.0-or-later
"""Each format against a golden file and its consumers' own validators, and all formats against each other."""

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from jsonschema import ValidationError
from kcidb_io.schema import LATEST as KCIDB
from tap.parser import Parser

from helpers.contract.behaviours import Behaviour
from helpers.contract.results import Reason, Result, dump, kernels, read
from helpers.contract.status import VM_GONE, VOCABULARY, Status
from reports import allure, junit, kcidb, ktap, lava, ltp, page
from reports import tmt as our_tmt
from reports.export import EXPORTERS, export_all
from reports.matrix import build, document
from reports.run import find, kernel_directory

GOLDEN = Path(__file__).parent / "golden"
RESULTS = read(GOLDEN / "results.jsonl").results
CATALOGUE = {
    one.id: one
    for one in (
        Behaviour("MARK-1", "fanotify", "A mark is ignored.", "fanotify_mark(2), ERRORS, EINVAL", "5.1"),
        Behaviour("MARK-2", "fanotify", "ADD and REMOVE exclude each other.", "fanotify_mark(2), ERRORS"),
        Behaviour("MARK-3", "fanotify", "It is | so.", "commit 09e7827e7857", documented="no", actual="yes"),
        Behaviour("MARK-4", "fanotify", "Nobody knows.", "fanotify(7)", untested="It takes years."),
        Behaviour("POPEN-4", "pidfd", "A process that is gone has no pidfd.", "pidfd_open(2)"),
        Behaviour("OTHER-1", "elsewhere", "Not of this run."),
    )
}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def pretty(values: object) -> str:
    return json.dumps(values, indent=1) + "\n"


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("ktap.txt", lambda: ktap.merged(kernels(RESULTS))),
        ("kcidb.json", lambda: pretty(kcidb.document(RESULTS, "20260102T030405Z"))),
        ("ltp-7.2.json", lambda: pretty(ltp.document(kernels(RESULTS)["7.2"]))),
        ("results.yaml", lambda: pretty(our_tmt.document(RESULTS))),
        ("lava-7.2.txt", lambda: lava.document(kernels(RESULTS)["7.2"])),
        ("matrix.json", lambda: pretty(document(build(RESULTS, CATALOGUE, "20260102T030405Z")))),
        ("matrix.md", lambda: page.summary(build(RESULTS, CATALOGUE, "20260102T030405Z"))),
    ],
)
def test_golden(name: str, make: Callable[[], str]) -> None:
    assert make() == (GOLDEN / name).read_text()


# ---- what others make of it ----


def tap_results(text: str) -> list[Any]:
    """Parse one level of KTAP with the parser of tap.py, which is that of TAP 12 and 13."""
    return [line for line in Parser().parse_text(text) if line.category == "test"]


def subtests(merged: str) -> dict[str, str]:
    """Cut the merged file into the KTAP of each kernel."""
    blocks = re.findall(r"(?:^  .*\n)+", merged, re.MULTILINE)
    named = {re.search(r"# Subtest: (.*)", block): dedent(block) for block in blocks}
    return {found[1]: block for found, block in named.items() if found}


def ktap_counts(text: str) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for line in tap_results(text):
        directive = line.directive.text.partition(" ")[0]
        found["ok" if line.ok else "not ok", directive] += 1
    return found


def tmt_errors(results: list[Any]) -> list[Any]:
    """Validate as tmt does (tmt/steps/execute/__init__.py, ResultCollection.validate)."""
    with warnings.catch_warnings(action="ignore"):  # those of its own libraries
        import fmf.utils  # noqa: PLC0415
        import tmt.utils  # noqa: PLC0415
    schema = tmt.utils.load_schema(Path("results.yaml"))
    return list(fmf.utils.validate_data(results, schema, schema_store=tmt.utils.load_schema_store()).errors)


def test_ktap_is_numbered_and_planned() -> None:
    for text in subtests(ktap.merged(kernels(RESULTS))).values():
        lines = list(Parser().parse_text(text))
        (plan,) = [line for line in lines if line.category == "plan"]
        tests = [line for line in lines if line.category == "test"]
        assert [line.number for line in tests] == list(range(1, plan.expected_tests + 1))
        assert not [line for line in lines if line.category == "unknown" and line is not lines[0]]


def test_kcidb_accepts_it() -> None:
    values = kcidb.document(RESULTS, "run")
    KCIDB.validate(values)
    ids = [entry["id"] for kind in ("builds", "tests", "issues", "incidents") for entry in values[kind]]
    assert len(ids) == len(set(ids))
    builds = {build["id"] for build in values["builds"]}
    assert {test["build_id"] for test in values["tests"]} == builds
    assert {build["checkout_id"] for build in values["builds"]} == {values["checkouts"][0]["id"]}


def test_kcidb_knows_the_known_issues() -> None:
    values = kcidb.document(RESULTS, "run")
    (issue,) = values["issues"]
    tests = {test["id"]: test for test in values["tests"]}
    assert {(tests[one["test_id"]]["misc"]["status"], one["present"]) for one in values["incidents"]} == {
        ("xfail", True),
        ("xpass", False),
    }
    assert {one["issue_id"] for one in values["incidents"]} == {issue["id"]}


def test_kcidb_refuses_what_is_wrong() -> None:
    values = kcidb.document(RESULTS, "run")
    values["tests"][0]["path"] = "a[b]"
    with pytest.raises(ValidationError, match="does not match"):
        KCIDB.validate(values)


def test_tmt_accepts_it() -> None:
    assert tmt_errors(our_tmt.document(RESULTS)) == []
    assert tmt_errors([{"name": "no slash", "result": "fine"}])


# ---- all say the same ----


def every_status(kernel: str) -> Iterable[Result]:
    """Return results of which each status has a number of its own."""
    for number, status in enumerate(Status, start=1):
        for index in range(number):
            reason = Reason("known-issue", "bug 7") if status in (Status.XFAIL, Status.XPASS) else None
            test = f"suites/a/test_a.py::test_{status}[{index}]"
            console = "Oops" if status in VM_GONE else None
            begun = "2026-01-02T03:04:05.678+00:00"
            yield Result(
                kernel, "1", "tcg", test, [f"A-{status}"], status, reason, "no", 0.5, begun, console=console
            )


def junit_counts(run: Path, kernel: str) -> Counter[str | None]:
    suites = ET.parse(run / "junit.xml").findall("testsuite")
    (suite,) = [suite for suite in suites if suite.get("name") == f"fapitest {kernel}"]
    alone = ET.parse(run / kernel / "junit.xml").find("testsuite")
    assert alone is not None
    assert ET.tostring(alone) == ET.tostring(suite)
    return Counter(case[0].tag if case[0].tag != "system-out" else None for case in suite.iter("testcase"))


def allure_counts(run: Path, kernel: str) -> Counter[str]:
    files = [json.loads(file.read_text()) for file in (run / "allure-results").glob("*-result.json")]
    return Counter(one["status"] for one in files if {"name": "env", "value": kernel} in one["labels"])


def words(results: Iterable[Result], name: str) -> Counter[Any]:
    """Return how often each word of a format must appear."""
    return Counter(getattr(result.words, name) for result in results)


def as_guests_do(results: Iterable[Result], run: Path) -> None:
    """Write the Allure results of the tests whose VM lived, as allure-pytest does in the guests."""
    for number, result in enumerate(result for result in results if result.status not in VM_GONE):
        directory = run / result.kernel / "allure-results"
        directory.mkdir(parents=True, exist_ok=True)
        made = {"status": result.words.allure, "labels": [{"name": "env", "value": result.kernel}]}
        (directory / f"{result.kernel}-{number}-result.json").write_text(json.dumps(made))


def test_all_formats_agree_number_by_number(tmp_path: Path) -> None:
    results = [*every_status("6.12"), *list(every_status("7.2"))[3:]]
    as_guests_do(results, tmp_path)
    (tmp_path / "results.jsonl").write_bytes(b"".join(map(dump, results)))
    assert export_all(results, tmp_path) == {}
    agree(tmp_path)


@pytest.mark.skipif("FAPITEST_RUN" not in os.environ, reason="FAPITEST_RUN names no run")
def test_all_formats_of_a_real_run_agree_and_are_valid() -> None:
    run = find(os.environ["FAPITEST_RUN"])
    KCIDB.validate(json.loads((run / "kcidb.json").read_text()))
    assert tmt_errors(json.loads((run / "results.yaml").read_text())) == []
    schema = xmlschema.XMLSchema(GOLDEN / "junit.xsd")
    assert [str(error) for error in schema.iter_errors(ET.parse(run / "junit.xml"))] == []
    agree(run)


def agree(run: Path) -> None:
    """Compare what each format of a run says with its results, number by number."""
    results = read(run / "results.jsonl").results
    tests = json.loads((run / "kcidb.json").read_text())["tests"]
    custom = json.loads((run / "results.yaml").read_text())
    matrix = json.loads((run / "matrix.json").read_text())
    blocks = subtests((run / "ktap.txt").read_text())
    assert list(blocks) == list(kernels(results))
    for kernel, own in kernels(results).items():
        directives = [tuple(f"{result.words.ktap} # ".split(" # ")[:2]) for result in own]
        assert ktap_counts(blocks[kernel]) == Counter(directives)
        assert (run / kernel / "ktap.txt").read_text() == blocks[kernel].replace(f"# Subtest: {kernel}\n", "")
        assert junit_counts(run, kernel) == words(own, "junit")
        assert allure_counts(run, kernel) == words(own, "allure")
        ours = [test["status"] for test in tests if test["environment"]["misc"]["kernel"] == kernel]
        assert Counter(ours) == words(own, "kcidb")
        assert Counter(one["result"] for one in custom if one["name"].startswith(f"/{kernel}/")) == words(
            own, "tmt"
        )
        kirk = json.loads((run / kernel / "ltp.json").read_text())
        assert Counter(one["status"] for one in kirk["results"]) == words(own, "ltp")
        assert kirk["stats"]["broken"] == words(own, "ltp")["brok"]
        lines = (run / kernel / "lava.txt").read_text().splitlines()
        assert Counter(line.split(" ")[1] for line in lines) == words(own, "lava")
        (column,) = [column for column in matrix["kernels"] if column["name"] == kernel]
        assert column["tests"] == Counter(result.status for result in own)
        shown = [found[kernel]["status"] for found in matrix["tests"].values() if kernel in found]
        assert Counter(shown) == Counter(result.status for result in own)


def test_every_status_has_a_word_in_every_format() -> None:
    for words_ in VOCABULARY.values():
        assert words_.kcidb in KCIDB.json["$defs"]["status"]["enum"]
        assert words_.tmt in {"pass", "fail", "info", "warn", "error", "skip"}
        assert words_.lava in {"pass", "fail", "skip", "unknown"}
        assert words_.ltp in {"pass", "fail", "brok", "conf", "warn"}
        assert words_.bad == words_.ktap.startswith("not ok")


# ---- what no format may choke on ----

ODD = [
    "</script><script>document.title = 'caught'</script>",
    "<b>&amp;\"'`| #[x](y) ]]> <!--",
    "".join(map(chr, [*range(0x180), 0x2028, 0x202E, 0xD800, 0xFFFE, 0x1F642])),
    "../../etc/passwd\n\r\n",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 3_000_000,
]


def odd_results() -> list[Result]:
    """Return results in which each text is odd in its turn."""
    found = []
    for text in ODD:
        short = text[:2000]
        name = f"suites/a.py::x[{short}]"
        reason = Reason("kconfig", text)
        found += [
            Result(short, text, text, name, [short], Status.PANIC, None, text, 1.0, text, [text], text, None),
            Result("6.12", "", "", name, [], Status.SKIP, reason, text),
        ]
    return found


@pytest.mark.parametrize("results", [odd_results(), [], [odd_results()[-1]]], ids=["odd", "none", "one"])
def test_every_format_survives_odd_texts(tmp_path: Path, results: list[Result]) -> None:
    assert export_all(results, tmp_path) == {}
    written = [file for file in tmp_path.rglob("*") if file.is_file() and "attachment" not in file.name]
    assert [file.name for file in written if file.stat().st_size > 2_000_000] == []
    KCIDB.validate(json.loads((tmp_path / "kcidb.json").read_text()))
    assert tmt_errors(json.loads((tmp_path / "results.yaml").read_text())) == []
    ET.parse(tmp_path / "junit.xml")
    for kernel, own in kernels(results).items():
        text = (kernel_directory(tmp_path, kernel) / "ktap.txt").read_text()
        assert len(tap_results(text)) == len(own)
    names = re.findall(r"^(?:not )?ok \d+ (.*)", (tmp_path / "ktap.txt").read_text(), re.MULTILINE)
    assert len(names) == len(kernels(results))


def test_every_exporter_can_be_run_twice(tmp_path: Path) -> None:
    for name, export in EXPORTERS.items():
        first = {path: path.read_bytes() for path in export(RESULTS, tmp_path) if path.is_file()}
        again = {path: path.read_bytes() for path in export(RESULTS, tmp_path) if path.is_file()}
        assert first == again, name


def test_allure_is_one_of_them() -> None:
    assert EXPORTERS["allure"] is allure.export
    assert EXPORTERS["junit"] is junit.export
