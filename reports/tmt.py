# SPDX-License-Identifier: GPL-2.0-or-later
"""tmt's custom results (`result: custom`, spec/plans/results.fmf): one file with a result for each test and kernel."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from helpers.contract.results import Result, kernels
from reports.evidence import NONE, Catalogue, catalogue, summary
from reports.names import paths
from reports.run import kernel_directory, replace_file
from reports.text import one_line


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/results.yaml`, in that part of YAML which is JSON. Raises OSError."""
    return [
        replace_file(
            run / "results.yaml", (json.dumps(document(results, catalogue()), indent=1) + "\n").encode()
        )
    ]


def document(results: Sequence[Result], known: Catalogue = NONE) -> list[dict[str, Any]]:
    """Return tmt's results, named /KERNEL/SUITE/FILE/TEST."""
    found = []
    for kernel, tests in kernels(results).items():
        names = paths(result.test for result in tests)
        where = kernel_directory(Path("/"), kernel)
        found += [
            _result(result, f"{where}/{names[result.test].replace('.', '/')}", known) for result in tests
        ]
    return found


def _result(result: Result, name: str, known: Catalogue) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": name,
        "result": result.words.tmt,
        "note": [
            *([one_line(f"{result.status}: {result.headline}")] if result.headline else []),
            *summary(result, known),
        ],
        "duration": _hours(result.duration),
        "ids": {"nodeid": one_line(result.test), "behaviours": one_line(" ".join(result.behaviours))},
    }
    if result.begin:
        values["start-time"] = result.begin.isoformat(timespec="microseconds")
        values["end-time"] = (result.begin + timedelta(seconds=result.duration)).isoformat(
            timespec="microseconds"
        )
    return values


def _hours(seconds: float) -> str:
    minutes, whole = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{whole:02}"
