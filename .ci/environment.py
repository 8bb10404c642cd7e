# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs Python in the project's shared environment, which is made when it is missing and never changed under a run.

``environment.py GROUP ARGUMENTS`` is ``python ARGUMENTS`` with the dependencies of a group of pyproject.toml, in the
versions of constraints.txt. An environment is a directory named after all that it is made of: other requirements are
another directory, so that a run under way keeps its modules, and what is there already needs no network. It uses the
standard library alone: this is what brings the rest.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    sys.exit(f"fapitest needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}")

PROJECT = Path(__file__).resolve().parent.parent
CONSTRAINTS = PROJECT / "constraints.txt"
NEWEST = "newest"
"""Stands for the group ``check`` in today's newest releases, whatever constraints.txt says."""

KEPT = 2
"""How many environments of a group are kept: a checkout that goes back and forth between two commits needs two."""

_COMPLETE, _IN_USE = "complete", "in-use"


class NotMadeError(Exception):
    """The environment can not be made; the text says why and what to do."""


@dataclass(frozen=True)
class Environment:
    """What an environment is made of.

    Attributes:
        group: the dependency group of pyproject.toml, or `NEWEST`.
        requirements: what pip is asked to install, as in PEP 508.
        constraints: the versions that pip may take: the text of a constraints file.
    """

    group: str
    requirements: tuple[str, ...]
    constraints: str

    @property
    def name(self) -> str:
        """The directory's name: the group and a digest of requirements, constraints and interpreter."""
        interpreter = [sys.version, os.path.realpath(sys.executable)]
        content = json.dumps([interpreter, self.requirements, self.constraints])
        return f"{self.group}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def described(group: str, today: str) -> Environment:
    """Return the environment of a group as pyproject.toml and constraints.txt have it.

    Raises:
        NotMadeError: there is no such group.
    """
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = "check" if group == NEWEST else group
    if wanted not in groups:
        raise NotMadeError(f"no dependency group {group!r}; there are {', '.join(groups)}, {NEWEST}")
    constraints = f"# newest on {today}\n" if group == NEWEST else CONSTRAINTS.read_text()
    return Environment(group, tuple(requirements(groups, wanted)), constraints)


def requirements(groups: dict[str, list[str | dict[str, str]]], group: str) -> Iterator[str]:
    """Yield the requirements of a dependency group, those of the groups that it includes among them (PEP 735)."""
    for entry in groups[group]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from requirements(groups, entry["include-group"])


@contextmanager
def locked(path: Path, kind: int) -> Iterator[int]:
    """Hold a lock on a file; give its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


def ready(environment: Environment, place: Path) -> Path:
    """Return the directory of an environment below `place`, made if it is not there, and mark it as in use by us.

    Raises:
        NotMadeError: pip or venv failed.
    """
    place.mkdir(parents=True, exist_ok=True)
    directory = place / environment.name
    with locked(place / f"{environment.group}.lock", fcntl.LOCK_EX):
        if not (directory / _COMPLETE).exists():
            shutil.rmtree(directory, ignore_errors=True)
            print(f"fapitest: installing Python packages ({environment.group})", file=sys.stderr, flush=True)
            _make(environment, directory)
        in_use = os.open(directory / _IN_USE, os.O_RDWR | os.O_CREAT)
        os.set_inheritable(in_use, True)  # noqa: FBT003  the lock lives as long as the process that we become
        fcntl.flock(in_use, fcntl.LOCK_SH)
        os.utime(directory / _COMPLETE)
        _forget_old(environment.group, place)
        _point(place.parent / environment.group, directory)
    return directory


def _make(environment: Environment, directory: Path) -> None:
    _run([sys.executable, "-m", "venv", "--without-pip", str(directory)], "make a virtual environment")
    constraints = directory / "constraints.txt"
    constraints.write_text(environment.constraints)
    pip = [sys.executable, "-m", "pip", "--python", str(directory / "bin" / "python")]
    options = ["--quiet", "--disable-pip-version-check", "--constraint", str(constraints)]
    if environment.requirements:
        _run([*pip, "install", *options, *environment.requirements], "install the Python packages")
    (directory / _COMPLETE).touch()


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise NotMadeError(f"could not {what}: the reason stands above (without a network: connect it once)")


def _forget_old(group: str, place: Path) -> None:
    """Remove environments of the group that were not used for long, unless a run holds them."""
    found = [path.parent for path in place.glob(f"{group}-*/{_COMPLETE}")]
    by_use = sorted(found, key=lambda directory: (directory / _COMPLETE).stat().st_mtime, reverse=True)
    for directory in by_use[KEPT:]:
        with locked(directory / _IN_USE, fcntl.LOCK_SH) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(directory, ignore_errors=True)


def _point(link: Path, directory: Path) -> None:
    """Let the link that people activate, .tox/run, lead to the environment."""
    making = link.with_name(f".{link.name}-{os.getpid()}")
    making.symlink_to(directory.relative_to(link.parent))
    try:
        making.replace(link)
    except IsADirectoryError:  # an environment that an older tox.ini made
        making.unlink()


def main(words: Sequence[str]) -> None:
    """Become the environment's Python."""
    if len(words) < 2:
        sys.exit("usage: environment.py GROUP ARGUMENTS-OF-PYTHON   (called by tox)")
    group, *arguments = words
    place = Path(os.environ.get("TOX_WORK_DIR") or PROJECT / ".tox") / "environments"
    try:
        directory = ready(described(group, datetime.now(UTC).date().isoformat()), place)
    except NotMadeError as error:
        sys.exit(f"fapitest: {error}")
    except KeyboardInterrupt:
        print("fapitest: interrupted", file=sys.stderr)
        sys.exit(2)
    program = directory / "bin" / "python"
    os.environ["VIRTUAL_ENV"] = str(directory)
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.execv(program, [str(program), *arguments])  # noqa: S606  there is no shell, on purpose


if __name__ == "__main__":
    main(sys.argv[1:])
