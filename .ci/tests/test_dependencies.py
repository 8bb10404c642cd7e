# SPDX-License-Identifier: GPL-2.0-or-later
"""What is imported is declared, and every version that an environment may take is known."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OWN = {"helpers", "vm", "reports", "suites", "conftest", "environment", "fresh"}
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
TEST_DIRECTORIES = {"tests", ".ci"}
FOR_CHECKS_ONLY = {"browser.py"}
"""Modules that the checks alone load: they open the page in Chromium."""


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def declared(group: str) -> set[str]:
    names = {canonicalize_name(Requirement(entry).name) for entry in GROUPS[group] if isinstance(entry, str)}
    included = [entry["include-group"] for entry in GROUPS[group] if not isinstance(entry, str)]
    return names.union(*map(declared, included))


def is_test(source: Path) -> bool:
    return source.name in FOR_CHECKS_ONLY or not TEST_DIRECTORIES.isdisjoint(
        source.relative_to(ROOT).parts[:-1]
    )


@pytest.mark.parametrize("group", ["run", "check"])
def test_what_is_imported_is_declared(group: str) -> None:
    distributions = importlib.metadata.packages_distributions()
    sources = [path for path in tracked() if group == "check" or not is_test(path)]
    modules = {name for path in sources for name in imported(path)} - sys.stdlib_module_names - OWN
    assert modules
    candidates = {
        module: {canonicalize_name(name) for name in distributions.get(module, [])} for module in modules
    }
    assert {module for module, names in candidates.items() if not names & declared(group)} == set()


def test_each_dependency_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[dependency-groups]")[2].partition("\n[")[0]
    entries = re.findall(r'^    "([^"]+)",(.*)$', text, re.MULTILINE)
    assert entries
    assert [name for name, reason in entries if not re.fullmatch(r" +# \S.*", reason)] == []


def test_each_package_of_the_environment_has_a_tested_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    tested = {canonicalize_name(line.partition("==")[0]) for line in lines}
    wanted, seen = list(declared("check")), set()
    while wanted:
        if (name := canonicalize_name(wanted.pop())) not in seen:
            seen.add(name)
            required = map(Requirement, importlib.metadata.requires(name) or ())
            wanted += [r.name for r in required if not r.marker or r.marker.evaluate({"extra": ""})]
    assert seen - tested == set()
