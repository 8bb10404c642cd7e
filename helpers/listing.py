# SPDX-License-Identifier: GPL-2.0-or-later
"""What --list prints of each test: what it verifies, what it requires of a kernel, and which answers have changed."""

import json
import sys
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

import pytest

from helpers import changes, requirements
from helpers.changes import Change
from helpers.contract import behaviours
from helpers.contract.behaviours import Behaviour
from helpers.contract.properties import Property
from helpers.errors import errno_name, spell
from helpers.features import Feature

FORMAT = 1
"""That of the JSON, list.schema.json: one more with each change that a reader of the former one could not take."""


class Printer:
    """pytest's plugin that prints the list in the place of what pytest prints; of that only what went wrong is left."""

    def __init__(self, suites: Path, *, as_json: bool) -> None:
        """Print the tests of these suites, for programs or for people."""
        self._suites, self._as_json = suites, as_json

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what can not be collected."""
        if report.failed:
            print(f"{report.nodeid}: {report.longreprtext}", file=sys.stderr)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Print the list, unless it is not whole: then the exit code of pytest tells so too."""
        if session.testsfailed:
            return
        catalogue = behaviours.load(self._suites)
        tests = [_test(item, catalogue) for item in session.items if isinstance(item, pytest.Function)]
        if not tests:
            print("the selection matches no test", file=sys.stderr)
        if self._as_json:
            print(json.dumps({"format": FORMAT, "tests": tests}, indent=1))
        else:
            sys.stdout.writelines(f"{line}\n" for test in tests for line in _lines(test))


def _test(item: pytest.Function, catalogue: dict[str, Behaviour]) -> dict[str, Any]:
    verified = [catalogue[str(name)] for key, name in item.user_properties if key == Property.BEHAVIOUR]
    needs = requirements.of(item, verified)
    return {
        "id": item.nodeid,
        "behaviours": [_behaviour(each) for each in verified],
        "requires": {
            "features": [_feature(each) for each in needs.features],
            "filesystems": list(needs.filesystems),
        },
        "changed": [_change(each) for each in changes.of(item) if each.before != each.after],
    }


def _behaviour(behaviour: Behaviour) -> dict[str, Any]:
    return {
        "id": behaviour.id,
        "statement": behaviour.statement,
        "kind": behaviour.kind,
        "sources": behaviour.source.split("; "),
    }


def _feature(feature: Feature) -> dict[str, Any]:
    facts = feature.facts
    return {
        "name": feature.name,
        "what": facts.what,
        "since": list(facts.since),
        "option": f"CONFIG_{facts.option}" if facts.option else "",
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "by": _feature(change.by),
        "before": _answer(change.before),
        "after": _answer(change.after),
    }


def _answer(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case IntEnum() | IntFlag():
            return spell(value)
        case int():
            return errno_name(value) if value >= 0 else f"-{errno_name(-value)}"
    return str(value)


def _lines(test: dict[str, Any]) -> Iterator[str]:
    """Return a test as people read it: its id, and below it what the JSON has too."""
    yield test["id"]
    verifies = ", ".join(f"{each['id']} ({each['kind']})" for each in test["behaviours"])
    features = [_short(each) for each in test["requires"]["features"]]
    needs = ", ".join([*features, *test["requires"]["filesystems"]])
    yield f"    {verifies}; requires {needs or 'nothing'}"
    if changed := test["changed"]:
        later = (f"{each['after']} with {_short(each['by'])}" for each in changed)
        yield f"    answer: {', '.join([changed[0]['before'], *later])}"


def _short(feature: dict[str, Any]) -> str:
    return " ".join([feature["name"], *feature["since"][:1]])
