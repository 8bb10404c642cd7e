# SPDX-License-Identifier: GPL-2.0-or-later
"""The behaviours which the suites verify: one `behaviours.toml` beside each suite's tests.

A file is a sequence of tables, each named by the id of a behaviour:

    [INIT-BASIC]
    statement = "what the kernel does, in one sentence"
    source = "the manual page and section, the commit or the mail which says so"       see `sources`
    since = "2.6.37"                first mainline release
    until = "7.1"                   optional: last mainline release
    backports = ["5.10.220"]        optional: stable releases that have it too
    documented = "..."              optional: what the manual, a header or a commit says, if it is otherwise
    actual = "..."                  optional, with `documented`: what the kernel does
    requires = ["CONFIG_..."]       optional: what it takes to see the behaviour
    untested = "..."                optional: why no test can verify it
    fixed-by = ["commit 0123456789ab (title), 6.12.3"]     optional: what mended it before, see below

A kernel on which the behaviour is broken may lack one of the commits of `fixed-by`; each is written with its title and
the releases that have it.
"""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers.contract import sources
from helpers.contract.sources import Kind

FILE_NAME = "behaviours.toml"
SUITES = Path(__file__).parents[2] / "suites"

_FIX = re.compile(r"commit [0-9a-f]{12,40} \(.+\), .+")
_ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9.]+)+")


class BehaviourError(Exception):
    """A behaviours file is wrong; the message names the file and the id."""


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """One behaviour; the fields are those of its table, `suite` is the folder it lies in.

    A behaviour of a former time, which no table knows any more, has an id and a heading for a suite.
    """

    id: str
    suite: str
    statement: str = ""
    source: str = ""
    since: str = ""
    until: str = ""
    backports: tuple[str, ...] = ()
    documented: str = ""
    actual: str = ""
    requires: tuple[str, ...] = ()
    untested: str = ""
    fixed_by: tuple[str, ...] = ()

    @property
    def epic(self) -> str:
        """Which of the kernel's two interfaces it is about: fanotify or pidfd."""
        return "pidfd" if self.suite.removeprefix("clone_").startswith("pidfd") else "fanotify"

    @cached_property
    def kind(self) -> Kind | None:
        """How firmly it is promised; None for one of a former time."""
        return sources.kind(self.source) if self.source else None

    @property
    def described(self) -> str:
        """The behaviour in a paragraph, and its source in another."""
        return f"{self.id}: {self.statement}\n\nSource: {self.source}" + (
            f" ({self.kind.basis})" if self.kind else ""
        )


_TEXTS = {"statement", "source", "since", "until", "documented", "actual", "untested"}
_LISTS = {"backports", "requires", "fixed-by"}
_NEEDED = {"statement", "source", "since"}


def load(suites: Path = SUITES) -> dict[str, Behaviour]:
    """Return the behaviours of all suites in this folder by id; raise BehaviourError at the first mistake."""
    found: dict[str, Behaviour] = {}
    for path in sorted(suites.glob(f"*/{FILE_NAME}")):
        for behaviour in load_file(path):
            if twin := found.get(behaviour.id):
                raise BehaviourError(f"{path}: {behaviour.id} is already defined in suite {twin.suite}")
            found[behaviour.id] = behaviour
    return found


def load_file(path: Path) -> list[Behaviour]:
    """Return the behaviours of one file; raise BehaviourError at the first mistake."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BehaviourError(f"{path}: {error}") from error
    return [_behaviour(path, name, table) for name, table in tables.items()]


def _behaviour(path: Path, name: str, table: Any) -> Behaviour:
    if mistake := _mistake(name, table):
        raise BehaviourError(f"{path}: {name}: {mistake}")
    fields: dict[str, Any] = {
        key.replace("-", "_"): tuple(value) if key in _LISTS else value for key, value in table.items()
    }
    return Behaviour(id=name, suite=path.parent.name, **fields)


def _mistake(name: str, table: Any) -> str:
    if not _ID.fullmatch(name):
        return "an id is upper-case words joined by hyphens, such as INIT-BASIC"
    if not isinstance(table, dict):
        return f"is not a table but {table!r}"
    if unknown := table.keys() - _TEXTS - _LISTS:
        return f"unknown key {min(unknown)!r}"
    if missing := _NEEDED - table.keys():
        return f"{min(missing)!r} is missing"
    if wrong := [text for text in _texts(table, "fixed-by") if not _FIX.match(text)]:
        return f"'fixed-by' is not 'commit HASH (title), releases' but {wrong[0]!r}"
    if table.keys() & {"actual", "documented"} == {"actual"}:
        return "'actual' needs 'documented': what does the manual say?"
    return _wrong_value(table) or _wrong_source(table["source"])


def _wrong_source(source: str) -> str:
    try:
        sources.kind(source)
    except ValueError as error:
        return f"'source': {error}"
    return ""


def _texts(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _wrong_value(table: Mapping[str, Any]) -> str:
    for key, value in table.items():
        texts = value if key in _LISTS and isinstance(value, list) else [value]
        if (key in _LISTS) != isinstance(value, list) or not all(isinstance(text, str) for text in texts):
            return f"{key!r} must be {'a list of texts' if key in _LISTS else 'a text'}"
        if not texts or not all(text.strip() for text in texts):
            return f"{key!r} is empty"
    return ""
