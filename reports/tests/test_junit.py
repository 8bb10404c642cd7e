# SPDX-License-Identifier: GPL-2.0-or-later
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from reports import junit
from reports.results import Result, kernels, read
from reports.status import Status

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = xmlschema.XMLSchema(GOLDEN / "junit.xsd")
RESULTS = kernels(read(GOLDEN / "results.jsonl").results)


def broken(text: str) -> list[str]:
    return [str(error.reason) for error in SCHEMA.iter_errors(ET.fromstring(text))]


@pytest.mark.parametrize("kernel", RESULTS)
def test_golden(kernel: str) -> None:
    text = junit.document(kernel, RESULTS[kernel]).decode()
    assert text.replace("><", ">\n<") == (GOLDEN / f"junit-{kernel}.xml").read_text()
    assert broken(text) == []


@pytest.mark.parametrize(
    ("found", "replacement"),
    [
        ("<testcase ", '<testcase flavour="sweet" '),
        (' type="fail"', ""),
        ('time="0.123"', 'time="1e-05"'),
        ('tests="5"', 'tests="five"'),
        ("</failure>", "</failure><skipped/>"),
        ("</properties>", "</properties><properties/>"),
        ('timestamp="', 'timestamp="yesterday '),
    ],
)
def test_the_schema_finds_mistakes(found: str, replacement: str) -> None:
    text = junit.document("6.12", RESULTS["6.12"]).decode()
    assert broken(text.replace(found, replacement, 1))


def test_counts() -> None:
    suite = ET.fromstring(junit.document("7.2", RESULTS["7.2"]))[0]
    children = Counter(child.tag for case in suite.iter("testcase") for child in case)
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("6", "3", "1")
    assert (children["error"], children["failure"], children["skipped"]) == (3, 1, 0)


@pytest.mark.parametrize("field", ["kernel", "release", "message", "test", "console"])
def test_every_character_is_escaped_or_legal(field: str) -> None:
    text = "".join(map(chr, [*range(0x180), 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1F642]))
    values = {
        "kernel": "6.1",
        "release": "",
        "accel": "",
        "test": "a.py::x",
        "behaviours": [],
        "status": Status.PANIC,
    }
    result = Result(**values | {field: text if field != "test" else f"a.py::{text}"})  # type: ignore[arg-type]
    document = junit.document(result.kernel, [result])
    assert broken(document.decode()) == []
    assert re.search(r"\\x00.*\\ud800", document.decode(), re.DOTALL)


@pytest.mark.parametrize(
    ("test", "classname", "name"),
    [
        ("suites/a.py::test_x", "suites.a", "test_x"),
        ("suites/a.py::Test::test_x[b::c/d.py]", "suites.a.Test", "test_x[b::c/d.py]"),
        ("vm::boot", "vm", "boot"),
        ("suites/a.py", "suites", "a.py"),
    ],
)
def test_split(test: str, classname: str, name: str) -> None:
    assert junit.split(test) == (classname, name)


def test_one_file_per_kernel(tmp_path: Path) -> None:
    results = [result for tests in RESULTS.values() for result in tests]
    assert junit.export(results, tmp_path) == [tmp_path / kernel / "junit.xml" for kernel in ("6.12", "7.2")]
    assert (tmp_path / "7.2" / "junit.xml").read_bytes() == junit.document("7.2", RESULTS["7.2"])
