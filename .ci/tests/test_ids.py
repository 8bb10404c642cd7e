# SPDX-License-Identifier: GPL-2.0-or-later
"""The ids of tests are an interface: they change on purpose only, and what names a test names one that exists."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.contract import known_issues
from vm import faults

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "ids.py"
IDS = [
    line
    for line in (ROOT / "suites" / "ids.txt").read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
]
LONGEST = 100
"""Characters that the parameters of a test may have in its id."""
CHANGED = """older results can not be compared any more with those of tests whose ids have changed.
If that is meant, and for a new test: python .ci/ids.py writes suites/ids.txt anew."""
A_TEST = re.compile(r"suites/\w+/test_\w+\.py::[^\"\s]+")


def collected() -> list[str]:
    spec = importlib.util.spec_from_file_location("ids", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.collected())


def named_in_suites() -> list[str]:
    return [name for file in (ROOT / "suites").rglob("*.py") for name in A_TEST.findall(file.read_text())]


def test_ids_change_on_purpose_only() -> None:
    found = collected()
    changes = [f"- {name}" for name in IDS if name not in set(found)]
    changes += [f"+ {name}" for name in found if name not in set(IDS)]
    assert not changes, "\n".join([CHANGED, *changes])
    assert len(found) == len(set(found)), "two tests have the same id"


def test_ids_are_short() -> None:
    parameters = {name: name.partition("[")[2].removesuffix("]") for name in IDS}
    assert not [name for name, text in parameters.items() if len(text) > LONGEST]


def test_ids_are_for_people() -> None:
    assert not [name for name in IDS if not name.isprintable() or re.search(r"<|\bobject at\b|0o\d", name)]


def test_known_issues_name_tests_that_exist() -> None:
    issues = [
        replace(issue, tests=(pattern,)) for issue in known_issues.of_suites() for pattern in issue.tests
    ]
    assert issues
    assert not [issue.tests for issue in issues if not any(map(issue.concerns, IDS))]


@pytest.mark.parametrize("name", [*named_in_suites(), *(fault.caught_by for fault in faults.chosen([]))])
def test_what_names_a_test_names_one_that_exists(name: str) -> None:
    assert any(each == name or each.startswith(f"{name}[") for each in IDS)
