# SPDX-License-Identifier: GPL-2.0-or-later
"""Each format against a golden file and its consumers' own validators, and all formats against each other."""

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from jsonschema import ValidationError
from kcidb_io.schema import LATEST as KCIDB
from tap.parser import Parser

from helpers.contract import manifest
from helpers.contract.behaviours import Behaviour
from helpers.contract.manifest import Account, Balance, End, Kernel, Manifest
from helpers.contract.results import Reason, Result, dump, kernels, read
from helpers.contract.status import VM_GONE, VOCABULARY, Status
from reports import allure, junit, kcidb, ktap, lava, ltp, page
from reports import tmt as our_tmt
from reports.export import EXPORTERS, export_all
from reports.matrix import build, document
from reports.missing import completed
from reports.names import is_test
from reports.run import find, kernel_directory
from reports.summary import summary

GOLDEN = Path(__file__).parent / "golden"
RESULTS = read(GOLDEN / "results.jsonl").results
COMMIT = '09e7827e7857 ("kernel/fork: validate")'
CATALOGUE = {
    one.id: one
    for one in (
        Behaviour("MARK-1", "fanotify", "A mark is ignored.", "fanotify_mark(2), ERRORS, EINVAL", "5.1"),
        Behaviour("MARK-2", "fanotify", "ADD and REMOVE exclude each other.", "fanotify_mark(2), ERRORS"),
        Behaviour("MARK-3", "fanotify", "It is | so.", f"commit {COMMIT}", documented="no", actual="yes"),
        Behaviour("MARK-4", "fanotify", "Nobody knows.", "fanotify(7)", untested="It takes years."),
        Behaviour(
            "POPEN-4",
            "pidfd",
            "A process that is gone has no pidfd.",
            "pidfd_open(2)",
            fixed_by=("commit 0123456789ab (pidfs: look twice), 7.1",),
        ),
        Behaviour("OTHER-1", "elsewhere", "Not of this run."),
    )
}

RUN = "20260102T030405Z"
BALANCE = Balance({"7.2": Account(13, 12, ("suites/a.py::z",))}, End.COMPLETE)
LINE = "incomplete: 12 of 13 tests ran"
IDENTITY = Kernel(
    "7.2", "7.2.1-amd64", "#1 SMP", {"linux-binary": "7.2.1-1"}, "1" * 64, "2" * 64, "x86_64", "7.2", "kvm"
)
TOLD = kcidb.Told(LINE, {"7.2": IDENTITY}, CATALOGUE)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def pretty(values: object) -> str:
    return json.dumps(values, indent=1) + "\n"


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("ktap.txt", lambda: ktap.merged(kernels(RESULTS), LINE, CATALOGUE)),
        ("kcidb.json", lambda: pretty(kcidb.document(RESULTS, RUN, told=TOLD))),
        ("ltp-7.2.json", lambda: pretty(ltp.document(kernels(RESULTS)["7.2"], CATALOGUE))),
        ("results.yaml", lambda: pretty(our_tmt.document(RESULTS, CATALOGUE))),
        ("lava-7.2.txt", lambda: lava.document(kernels(RESULTS)["7.2"])),
        ("matrix.json", lambda: pretty(document(build(RESULTS, CATALOGUE, RUN, balance=BALANCE)))),
        ("matrix.md", lambda: page.summary(build(RESULTS, CATALOGUE, RUN, balance=BALANCE))),
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
    outcomes = [[child.tag for child in case if child.tag != "system-out"] for case in suite.iter("testcase")]
    return Counter(tags[0] if tags else None for tags in outcomes)


def allure_counts(run: Path, kernel: str) -> Counter[str]:
    files = [json.loads(file.read_text()) for file in (run / "allure-results").glob("*-result.json")]
    return Counter(one["status"] for one in files if {"name": "env", "value": kernel} in one["labels"])


def words(results: Iterable[Result], name: str) -> Counter[Any]:
    """Return how often each word of a format must appear."""
    return Counter(getattr(result.words, name) for result in results)


def test_all_formats_agree_number_by_number(tmp_path: Path) -> None:
    results = [*every_status("6.12"), *list(every_status("7.2"))[3:]]
    (tmp_path / "results.jsonl").write_bytes(b"".join(map(dump, results)))
    assert export_all(results, tmp_path) == {}
    agree(tmp_path)


PLANNED = {f"suites/a/test_a.py::test_{number}[x]": [f"A-{number}"] for number in range(7)}


def ran(kernel: str, count: int, status: Status = Status.PASS) -> list[Result]:
    return [
        Result(kernel, "1", "tcg", test, verified, status) for test, verified in [*PLANNED.items()][:count]
    ]


def no_boot(kernel: str) -> Result:
    return Result(kernel, "", "tcg", "vm::boot", [], Status.PANIC, message="Kernel panic", console="Oops")


STORED_RUNS: dict[str, tuple[End | None, dict[str, int | None], list[Result]]] = {
    # how it ended, how many tests each kernel collected (None: it never did), the results
    "complete": (End.COMPLETE, {"6.1": 7, "7.2": 7}, [*ran("6.1", 7), *ran("7.2", 7, Status.FAIL)]),
    "interrupted": (End.INTERRUPTED, {"6.1": 7, "7.2": 7}, [*ran("6.1", 7), *ran("7.2", 2)]),
    "interrupted before the first test": (End.INTERRUPTED, {"6.1": 7, "7.2": None}, []),
    "aborted": (End.ABORTED, {"6.1": 7}, ran("6.1", 1, Status.FAIL)),
    "killed": (None, {"6.1": 7}, ran("6.1", 3)),
    "one does not boot": (End.COMPLETE, {"6.1": 7, "7.2": None}, [*ran("6.1", 7), no_boot("7.2")]),
    "given up": (End.COMPLETE, {"6.1": 7}, [*ran("6.1", 3), *ran("6.1", 7, Status.NOT_RUN)[3:]]),
    "fewer tests on one": (End.COMPLETE, {"6.1": 7, "7.2": 5}, [*ran("6.1", 7), *ran("7.2", 5)]),
    "host": (End.COMPLETE, {"machine-6.18.44": 7}, ran("machine-6.18.44", 6)),
}


@pytest.mark.parametrize("name", STORED_RUNS)
def test_planned_is_ran_and_not_run_in_all_formats(tmp_path: Path, name: str) -> None:
    how, collected, results = STORED_RUNS[name]
    plan = Manifest(how=how)
    for kernel, number in collected.items():
        plan = plan.with_kernel(Kernel(kernel, release="1", accel="tcg"))
        if number is not None:
            plan = plan.with_tests(kernel, dict([*PLANNED.items()][:number]))
    (tmp_path / manifest.FILE).write_bytes(manifest.dump(plan))
    (tmp_path / "results.jsonl").write_bytes(b"".join(map(dump, results)))
    assert export_all(results, tmp_path) == {}
    agree(tmp_path, {kernel: 7 if number is None else number for kernel, number in collected.items()}, how)


@pytest.mark.skipif("FAPITEST_RUN" not in os.environ, reason="FAPITEST_RUN names no run")
def test_all_formats_of_a_real_run_agree_and_are_valid() -> None:
    run = find(os.environ["FAPITEST_RUN"])
    KCIDB.validate(json.loads((run / "kcidb.json").read_text()))
    assert tmt_errors(json.loads((run / "results.yaml").read_text())) == []
    schema = xmlschema.XMLSchema(GOLDEN / "junit.xsd")
    assert [str(error) for error in schema.iter_errors(ET.parse(run / "junit.xml"))] == []
    agree(run)


def agree(run: Path, planned: Mapping[str, int] | None = None, how: End | None = None) -> None:
    """Compare what each format of a run says with its results and its plan, number by number."""
    stored = read(run / "results.jsonl").results
    results = completed(run, stored)
    if planned is not None:
        plan_is_kept(run, results, planned, how)
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
        asked = [result for result in own if is_test(result.test)]
        assert (column["planned"], column["ran"]) == (len(asked), sum(not one.not_run for one in asked))
        shown = [found[kernel]["status"] for found in matrix["tests"].values() if kernel in found]
        assert Counter(shown) == Counter(result.status for result in own)


def plan_is_kept(run: Path, results: list[Result], planned: Mapping[str, int], how: End | None) -> None:
    """Planned = ran + not run, and every format has an entry for each, and says so if not all ran."""
    plan = manifest.read(run).manifest
    assert plan
    assert plan.how is how
    balance = manifest.balance(plan, results)
    assert {kernel: one.planned for kernel, one in balance.kernels.items()} == planned
    for kernel, one in balance.kernels.items():
        own = [result for result in results if result.kernel == kernel and is_test(result.test)]
        assert len(own) == one.planned == one.ran + len(one.not_run)
        assert Counter(result.not_run for result in own)[True] == len(one.not_run)
    said = {
        "kcidb.json": (run / "kcidb.json").read_text(),
        "junit.xml": (run / "junit.xml").read_text(),
        "ktap.txt": (run / "ktap.txt").read_text(),
        "matrix.json": (run / "matrix.json").read_text(),
        "matrix.md": (run / "matrix.md").read_text().lower(),
        "matrix.html": (run / "matrix.html").read_text().lower(),
        "environment.properties": (run / "allure-results/environment.properties")
        .read_text()
        .replace("\\", ""),
    }
    if not balance.complete:
        assert [name for name, text in said.items() if balance.headline not in text] == []
        assert "Nothing is broken" not in (run / "matrix.html").read_text()


def test_a_complaint_beside_a_failed_assertion_is_in_every_format(tmp_path: Path) -> None:
    (warned,) = [result for result in RESULTS if result.kernel_log]
    assert export_all([warned], tmp_path) == {}
    without_text = {"lava.txt", "failed.txt", "allurerc.mjs", "categories.json", "environment.properties"}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in without_text]
    said = [path.name for path in files if "WARNING: fs/pidfs.c:12" in path.read_text()]
    lacking = {path.name for path in files} - set(said)
    assert {name for name in lacking if "attachment" not in name} == set()
    assert "the kernel said: WARNING: fs/pidfs.c:12" in "".join(line.text for line in summary([warned]))


def test_every_status_has_a_word_in_every_format() -> None:
    for words_ in VOCABULARY.values():
        assert words_.kcidb in KCIDB.json["$defs"]["status"]["enum"]
        assert words_.tmt in {"pass", "fail", "info", "warn", "error", "skip", "pending"}
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
