# SPDX-License-Identifier: GPL-2.0-or-later
"""The exporters: functions from the stored results to files in the run's directory."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reports import allure, junit, kcidb, ktap, lava, ltp, page, tmt
from reports.results import Result

Exporter = Callable[[Sequence[Result], Path], list[Path]]
"""Takes results and the run's directory, returns the files or directories that it wrote there."""

EXPORTERS: dict[str, Exporter] = {
    "matrix": page.export,
    "junit": junit.export,
    "ktap": ktap.export,
    "kcidb": kcidb.export,
    "ltp": ltp.export,
    "tmt": tmt.export,
    "lava": lava.export,
    "allure": allure.export,
}
"""Each format that a run is written in; `python -m reports NAME` writes it again."""


def export_all(results: Sequence[Result], run: Path) -> list[str]:
    """Write every format; return one line for each that failed."""
    problems = []
    for name, export in EXPORTERS.items():
        try:
            export(results, run)
        except Exception as error:  # noqa: BLE001 - a defect of one format must not cost the others
            problems.append(f"no {name} report in {run}: {type(error).__name__}: {error}")
    return problems
