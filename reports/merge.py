# SPDX-License-Identifier: GPL-2.0-or-later
"""Several runs made one: those that the jobs of a CI system made, one per kernel."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from helpers.contract.results import kernels, read
from reports import run


class TakenError(Exception):
    """There is a run where a new one was to be made; the text says where."""


def merge(sources: Sequence[Path], target: Path) -> None:
    """Fill a new run's directory with the results of others and the files of their kernels.

    Where two have a test on the same kernel the last one counts. Raises OSError; TakenError if there is a run.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        file = (target / run.RESULTS).open("xb")
    except FileExistsError:
        raise TakenError(f"{target} holds a run already, and no run is overwritten; name another") from None
    with file as joined:
        for source in sources:
            content = (source / run.RESULTS).read_bytes()
            joined.write(content if content.endswith(b"\n") or not content else content + b"\n")
    for source in sources:
        for kernel in kernels(read(source / run.RESULTS).results):
            own = run.kernel_directory(source, kernel)
            if own.is_dir():
                shutil.copytree(own, run.kernel_directory(target, kernel), dirs_exist_ok=True)
