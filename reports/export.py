# SPDX-License-Identifier: GPL-2.0-or-later
"""The exporters: functions from the stored results to files in the run's directory."""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from helpers.contract.results import Result
from reports import again, allure, junit, kcidb, ktap, lava, ltp, page, tmt
from reports.missing import completed

Exporter = Callable[[Sequence[Result], Path], list[Path]]
"""Takes results and the run's directory, returns the files or directories that it wrote there."""

EXPORTERS: dict[str, Exporter] = {
    "failed": again.export,
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


def export_all(results: Sequence[Result], run: Path) -> dict[str, Exception]:
    """Write every format, with what was planned and did not run; return what stood in the way of those that failed."""
    failed: dict[str, Exception] = {}
    results = completed(run, results)
    for name, export in EXPORTERS.items():
        try:
            export(results, run)
        except Exception as error:  # noqa: BLE001 - a defect of one format must not cost the others
            failed[name] = error
    return failed


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What a disk says that takes nothing more."""


def no_room(errors: Iterable[Exception]) -> bool:
    """Whether one of the errors means that the reports must be written elsewhere."""
    return any(isinstance(error, OSError) and error.errno in NO_ROOM for error in errors)


def said(failed: Mapping[str, Exception], run: Path) -> list[str]:
    """Return a line for each format that could not be written."""
    return [f"no {name} report in {run}: {type(error).__name__}: {error}" for name, error in failed.items()]
