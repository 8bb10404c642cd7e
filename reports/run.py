# SPDX-License-Identifier: GPL-2.0-or-later
"""The directory of a run: reports/out/<run>/results.jsonl, and beside it one directory per kernel."""

import os
import re
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain, count
from pathlib import Path

OUT = Path(__file__).parent / "out"
"""Where runs are kept unless `--results` says otherwise."""

RESULTS = "results.jsonl"
LATEST = "latest"
PAGE = "matrix.html"

_FILES = (
    ".json",
    ".jsonl",
    ".html",
    ".md",
    ".xml",
    ".txt",
    ".yaml",
    ".mjs",
    "allure-results",
    "allure-report",
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class NoSuchRunError(Exception):
    """There are no results where the user looks for them; the text says where that was."""


def new(out: Path) -> Path:
    """Make and return a directory in `out`, named by the time in UTC, for one run alone. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for suffix in chain([""], (f"-{number}" for number in count(2))):
        run = out / (stamp + suffix)
        try:
            run.mkdir()
        except FileExistsError:
            continue
        return run
    raise AssertionError("count() has no end")


def point_latest_at(run: Path) -> None:
    """Replace the symbolic link `latest` beside `run` in one step. Raises OSError."""
    link = run.with_name(f".{LATEST}-{run.name}")
    link.symlink_to(run.name)
    link.replace(run.with_name(LATEST))


def find(name: str, out: Path = OUT) -> Path:
    """Return the directory of a run by its name in `out` or its path. Raises NoSuchRunError."""
    places = list(dict.fromkeys(path.absolute() for path in (out / name, Path(name))))
    for run in places:
        if (run / RESULTS).is_file():
            return run.resolve()
    if name == LATEST:
        raise NoSuchRunError(f"no run in {out} is the {LATEST}; name one" if runs(out) else none_yet(out))
    if len(places) == 1:
        raise NoSuchRunError(f"no run {name}: it holds no {RESULTS}")
    raise NoSuchRunError(f"no run {name}: neither {places[0]} nor {places[1]} holds a {RESULTS}")


def none_yet(out: Path) -> str:
    """Say that there is no run, and how to make one."""
    return f"no runs in {out} yet; to make one: tox -e vm-6.12"


def runs(out: Path = OUT) -> list[Path]:
    """Return the directories in `out` that hold results, oldest first."""
    found = [file.parent for file in out.glob(f"*/{RESULTS}") if not file.parent.is_symlink()]
    return sorted(found, key=lambda run: run.name)


def is_plain(kernel: str) -> bool:
    """Whether a kernel's name can be that of its directory: no odd name, and no file of a run has it."""
    return bool(_PLAIN.fullmatch(kernel)) and not kernel.endswith(_FILES)


def kernel_directory(run: Path, kernel: str) -> Path:
    """Return where the files of one kernel lie: for an odd name a directory in the run all the same, and its own."""
    if is_plain(kernel):
        return run / kernel
    digest = sha256(kernel.encode(errors="replace")).hexdigest()[:8]
    return run / f"{re.sub('[^A-Za-z0-9]+', '_', kernel).strip('_')[:50]}-{digest}"


def consoles(run: Path, kernel: str) -> list[str]:
    """Return the logs of a kernel's consoles, as paths below the run's directory, in their order."""
    logs = kernel_directory(run, kernel).glob("console*.log")
    return [str(log.relative_to(run)) for log in sorted(logs, key=lambda log: (len(log.name), log.name))]


def replace_file(path: Path, content: bytes) -> Path:
    """Write a file so that it is either whole or as it was before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
