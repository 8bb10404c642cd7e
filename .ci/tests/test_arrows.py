# SPDX-License-Identifier: GPL-2.0-or-later
"""Which part of the project may import which: the arrows go one way."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "helpers.contract"
MAY_IMPORT = {
    "helpers": {"helpers"},
    "suites": {"helpers", "suites"},
    "vm": {"vm", CONTRACT},
    "reports": {"reports", CONTRACT},
}
"""A part of the project -> what it may import of the project."""


def modules(folder: str) -> list[Path]:
    found = [path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.relative_to(ROOT).parts]
    assert found
    return found


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{source}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_parts_import_what_they_may(folder: str) -> None:
    own = [
        (path, name)
        for path in modules(folder)
        for name in imported(path)
        if is_within(name, set(MAY_IMPORT))
    ]
    assert [f"{path}: {name}" for path, name in own if not is_within(name, MAY_IMPORT[folder])] == []


@pytest.mark.parametrize("folder", ["suites", "helpers"])
def test_no_test_module_imports_another(folder: str) -> None:
    tests = list((ROOT / folder).rglob("test_*.py"))
    assert tests
    found = [(path, name) for path in tests for name in imported(path)]
    assert [f"{path}: {name}" for path, name in found if re.search(r"(^|\.)test_", name)] == []


def test_the_contract_imports_nothing_but_itself_and_pythons_library() -> None:
    names = {name for path in modules("helpers/contract") for name in imported(path)}
    outside = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}
    assert [name for name in outside if not is_within(name, {CONTRACT})] == []
