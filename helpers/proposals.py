# SPDX-License-Identifier: GPL-2.0-or-later
"""The names and numbers of proposed interfaces, which no released kernel has.

`proposals.toml` has those for which the suites were written; `--interface FILE.toml` overrides some of its keys.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers import baseline

DEFAULTS = Path(__file__).parent / "proposals.toml"

Tables = Mapping[str, Mapping[str, Any]]


class ProposalError(Exception):
    """A table of names and numbers is invalid; the message names the file and the key."""


@dataclasses.dataclass(frozen=True)
class QueueFd:
    """Restartable permission events: the keys of the table `queue_fd`."""

    init_flag: int
    open_queue: int
    control_name: str
    queue_name: str


@dataclasses.dataclass(frozen=True)
class Fastpath:
    """Fastpath handlers: the keys of the table `fastpath`."""

    add: int
    delete: int
    args: list[str]
    version: int
    init_args_max: int
    send: int
    skip: int
    directory: str
    verdict: str
    verdict_module: str
    skip_all: str
    skip_all_module: str
    skip_twin_module: str
    subtree: str
    subtree_module: str


_KINDS: dict[str, type[QueueFd] | type[Fastpath]] = {"queue_fd": QueueFd, "fastpath": Fastpath}
_chosen: dict[str, dict[str, Any]] = {}


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of a file; raise ProposalError at the first invalid key or value."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ProposalError(f"{path}: {error}") from error
    for name, table in tables.items():
        if name not in _KINDS or not isinstance(table, dict):
            raise ProposalError(f"{path}: unknown table {name!r}; known are {', '.join(_KINDS)}")
        for key, value in table.items():
            _check(path, name, key, value)
    return tables


def _check(path: Path, name: str, key: str, value: object) -> None:
    kinds = {
        field.name: str(getattr(field.type, "__name__", field.type))
        for field in dataclasses.fields(_KINDS[name])
    }
    if key not in kinds:
        raise ProposalError(f"{path}: {name}: unknown key {key!r}; known are {', '.join(kinds)}")
    if type(value).__name__ != kinds[key].partition("[")[0]:
        raise ProposalError(f"{path}: {name}: {key!r} must be of type {kinds[key]}, not {value!r}")


def choose(tables: Tables) -> None:
    """Override keys of `proposals.toml` with these tables for the rest of the session."""
    _chosen.clear()
    _chosen.update({name: dict(table) for name, table in tables.items()})


def queue_fd() -> QueueFd:
    """Return the names and numbers of restartable permission events."""
    return QueueFd(**_table("queue_fd"))


def fastpath() -> Fastpath:
    """Return the names and numbers of fastpath handlers."""
    return Fastpath(**_table("fastpath"))


def _table(name: str) -> dict[str, Any]:
    return read(DEFAULTS)[name] | _chosen.get(name, {})


def is_reference() -> bool:
    """Return whether this is a kernel built by this project, which also decides what the proposals leave open."""
    return baseline.REFERENCE in os.uname().release
