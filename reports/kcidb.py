# SPDX-License-Identifier: GPL-2.0-or-later
"""KCIDB, the database of Linux' CI systems: objects of its I/O schema 5.3, ready for kcidb-submit.

The run's kernels are builds of one checkout unless the caller names builds that KCIDB knows already.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from helpers.contract.manifest import Kernel
from helpers.contract.results import Result, kernels
from helpers.contract.status import Status
from reports.evidence import NONE, Catalogue, as_text, catalogue, kind_of
from reports.missing import headline, identities
from reports.names import paths, rerun
from reports.run import replace_file
from reports.text import bounded, one_line

ORIGIN = "fapitest"
"""The CI system that the objects say they come from, unless the caller names it."""

_PREFIX = "fapitest"
_EXCERPT_CHARACTERS = 16384


class BadIdError(ValueError):
    """The user's words are no ids of KCIDB; the text says which and what one looks like."""


def builds(words: Sequence[str]) -> dict[str, str]:
    """Return the builds that `KERNEL=ORIGIN:ID` words name, by kernel. Raises BadIdError."""
    pairs = [word.partition("=") for word in words]
    for word, (kernel, _, id_) in zip(words, pairs, strict=True):
        if not kernel or not re.fullmatch(r"[a-z0-9_]+:[^\0]*", id_):
            raise BadIdError(f"{word}: a build is named KERNEL=ORIGIN:ID, such as 6.12=redhat:1234")
    return {kernel: id_ for kernel, _, id_ in pairs}


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/kcidb.json`. Raises OSError."""
    return write(results, run, ORIGIN, {})


def write(results: Sequence[Result], run: Path, origin: str, builds: Mapping[str, str]) -> list[Path]:
    """Write `<run>/kcidb.json` with this origin; `builds` has KCIDB's ids of kernels' builds.

    Raises OSError, BadIdError.
    """
    if not re.fullmatch("[a-z0-9_]+", origin):
        raise BadIdError(f"{origin!r}: an origin is made of lower-case letters, digits and _")
    if unknown := builds.keys() - {result.kernel for result in results}:
        raise BadIdError(f"--build {min(unknown)}=...: the run has no such kernel")
    told = Told(headline(run, results), identities(run), catalogue())
    text = json.dumps(document(results, run.name, origin, builds, told), indent=1) + "\n"
    return [replace_file(run / "kcidb.json", text.encode())]


class Told(NamedTuple):
    """What else is known: whether the run is complete, what its kernels are, and what was promised."""

    headline: str = ""
    identities: Mapping[str, Kernel] = MappingProxyType({})
    behaviours: Catalogue = NONE


def document(
    results: Sequence[Result],
    run: str,
    origin: str = ORIGIN,
    builds: Mapping[str, str] | None = None,
    told: Told = Told(),  # noqa: B008  it can not be changed
) -> dict[str, Any]:
    """Return the report: tests by kernel, and an issue with its incidents for each known issue that was met."""
    by_kernel = kernels(results)
    own = {kernel: f"{origin}:{_id(run, kernel)}" for kernel in by_kernel}
    known = own | dict(builds or {})
    tests = [
        (
            result,
            _test(
                result,
                path,
                f"{origin}:{_id(run, kernel, result.test)}",
                origin,
                known[kernel],
                told.behaviours,
            ),
        )
        for kernel, found in by_kernel.items()
        for result, path in _named(found)
    ]
    new = [kernel for kernel in by_kernel if known[kernel] == own[kernel]]
    checkout = f"{origin}:{_id(run)}"
    return {
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": checkout, "origin": origin, "comment": _comment(run, told.headline)}]
        if new
        else [],
        "builds": [
            _build(kernel, by_kernel[kernel], own[kernel], origin, checkout, told.identities.get(kernel))
            for kernel in new
        ],
        "tests": [test for _, test in tests],
        **_known_issues(tests, origin),
    }


def _id(*words: str) -> str:
    """Return an id that is the same each time: digests stand for what has no place in one."""
    return "-".join(sha256(word.encode(errors="replace")).hexdigest()[:16] for word in words)


def _named(results: Sequence[Result]) -> Iterable[tuple[Result, str]]:
    names = paths(result.test for result in results)
    return ((result, f"{_PREFIX}.{names[result.test]}") for result in results)


def _comment(run: str, line: str) -> str:
    return one_line(f"fapitest run {run}: {line}" if line else f"fapitest run {run}")


_IDENTITY = ("version", "packages", "image", "config", "accel")
"""What a build tells of the manifest's kernel. Whose machine it ran on is nobody's business."""


def _build(
    kernel: str,
    results: Sequence[Result],
    id_: str,
    origin: str,
    checkout: str,
    identity: Kernel | None,
) -> dict[str, Any]:
    known = asdict(identity) if identity else {}
    return {
        "id": id_,
        "checkout_id": checkout,
        "origin": origin,
        "comment": one_line(f"kernel {kernel}"),
        **({"architecture": known["architecture"]} if known.get("architecture") else {}),
        "misc": {
            "kernel": one_line(kernel),
            "release": next((one_line(result.release) for result in results if result.release), ""),
            **{name: known[name] for name in _IDENTITY if known.get(name)},
        },
    }


def _test(
    result: Result, path: str, id_: str, origin: str, build: str, behaviours: Catalogue
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": id_,
        "build_id": build,
        "origin": origin,
        "path": path,
        "comment": one_line(" ".join([result.test, *result.behaviours])),
        "status": result.words.kcidb,
        "duration": max(0.0, result.duration),
        "environment": {
            "comment": one_line(f"accelerator: {result.accel}"),
            "misc": {"kernel": one_line(result.kernel), "accel": one_line(result.accel)},
        },
        "misc": {
            "status": result.status,
            "behaviours": [one_line(name) for name in result.behaviours],
            "rerun": one_line(rerun(result)),
        },
    }
    if result.begin:
        values["start_time"] = result.begin.isoformat()
    if result.reason:
        values["misc"]["reason"] = one_line(f"{result.reason.kind}: {result.reason.text}")
    if result.where:
        values["misc"]["where"] = one_line(result.where)
    if firmness := kind_of(result, behaviours):
        values["misc"]["kind"] = firmness.basis
    return values | _log(result, behaviours)


def _log(result: Result, known: Catalogue) -> dict[str, Any]:
    text = bounded(as_text(result, known), _EXCERPT_CHARACTERS - 100)
    return {"log_excerpt": text} if text else {}


def _known_issues(tests: Sequence[tuple[Result, dict[str, Any]]], origin: str) -> dict[str, Any]:
    """Return issues and incidents: present where the test failed as expected, absent where it passed."""
    met = [
        (result, test)
        for result, test in tests
        if result.status in (Status.XFAIL, Status.XPASS) and result.reason
    ]
    texts = {_id(result.reason.text): one_line(result.reason.text) for result, _ in met if result.reason}
    return {
        "issues": [
            {
                "id": f"{origin}:{digest}",
                "version": 1,
                "origin": origin,
                "comment": text,
                "culprit": {"code": True, "tool": False, "harness": False},
            }
            for digest, text in texts.items()
        ],
        "incidents": [
            {
                "id": f"{test['id']}-issue",
                "origin": origin,
                "issue_id": f"{origin}:{_id(result.reason.text)}",
                "issue_version": 1,
                "test_id": test["id"],
                "present": result.status is Status.XFAIL,
            }
            for result, test in met
            if result.reason
        ],
    }
