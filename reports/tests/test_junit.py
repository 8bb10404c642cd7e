# SPDX-License-Identifier: GPL-2.0-or-later
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from helpers.contract.manifest import NO_MANIFEST
from helpers.contract.results import Result, kernels, read
from helpers.contract.status import Status
from reports import junit
from reports.tests.test_formats import CATALOGUE, LINE

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = xmlschema.XMLSchema(GOLDEN / "junit.xsd")
RESULTS = kernels(read(GOLDEN / "results.jsonl").results)


def broken(text: str) -> list[str]:
    return [str(error.reason) for error in SCHEMA.iter_errors(ET.fromstring(text))]


@pytest.mark.parametrize("kernel", RESULTS)
def test_golden(kernel: str) -> None:
    text = junit.document({kernel: RESULTS[kernel]}, LINE, CATALOGUE).decode()
    assert text.replace("><", ">\n<") == (GOLDEN / f"junit-{kernel}.xml").read_text()
    assert broken(text) == []


@pytest.mark.parametrize(
    ("found", "replacement"),
    [
        ("<testcase ", '<testcase flavour="sweet" '),
        (' type="fail"', ""),
        ('time="0.123"', 'time="1e-05"'),
        ('tests="6"', 'tests="six"'),
        ("</failure>", "</failure><skipped/>"),
        ("</properties>", "</properties><properties/>"),
        ('timestamp="', 'timestamp="yesterday '),
    ],
)
def test_the_schema_finds_mistakes(found: str, replacement: str) -> None:
    text = junit.document({"6.12": RESULTS["6.12"]}).decode()
    assert broken(text.replace(found, replacement, 1))


def test_counts() -> None:
    suite = ET.fromstring(junit.document({"7.2": RESULTS["7.2"]}))[0]
    children = Counter(child.tag for case in suite.iter("testcase") for child in case)
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("7", "3", "2")
    assert (children["error"], children["failure"], children["skipped"]) == (3, 2, 0)


@pytest.mark.parametrize("field", ["kernel", "release", "message", "test", "console"])
def test_every_character_is_escaped_or_legal(field: str) -> None:
    text = "".join(map(chr, [0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1F642, *range(0x180)]))
    values = {
        "kernel": "6.1",
        "release": "",
        "accel": "",
        "test": "a.py::x",
        "behaviours": [],
        "status": Status.PANIC,
    }
    result = Result(**values | {field: text if field != "test" else f"a.py::{text}"})  # type: ignore[arg-type]
    document = junit.document({result.kernel: [result]})
    assert broken(document.decode()) == []
    assert re.search(r"\\ud800.*\\x00", document.decode(), re.DOTALL)


def test_files(tmp_path: Path) -> None:
    results = [result for tests in RESULTS.values() for result in tests]
    names = ["6.12/junit.xml", "7.2/junit.xml", "junit.xml"]
    assert junit.export(results, tmp_path) == [tmp_path / name for name in names]
    assert (tmp_path / "7.2" / "junit.xml").read_bytes() == junit.document(
        {"7.2": RESULTS["7.2"]}, NO_MANIFEST
    )


def test_all_kernels_in_one_file() -> None:
    text = junit.document(RESULTS).decode()
    assert broken(text) == []
    suites = ET.fromstring(text).findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["fapitest 6.12", "fapitest 7.2"]
    assert [suite.get("tests") for suite in suites] == ["6", "7"]


@pytest.mark.parametrize("started", ["", "yesterday", "2026-13-01", "9999-12-31T23:59:59-23:00"])
def test_a_time_that_is_none(started: str) -> None:
    result = Result("6.1", "", "", "a.py::x", [], Status.PASS, started=started)
    assert broken(junit.document({"6.1": [result]}).decode()) == []
