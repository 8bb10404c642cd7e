# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's archive through apt, with directories of our own.

Nothing of the machine's package management is touched; the archive's address is the machine's, and apt checks the
signatures of what it fetches.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path

from vm import cache, tools
from vm.errors import VmError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FRESH = 24 * 3600
"""Seconds for which the list of a suite's packages is not asked for again."""

Progress = Callable[[str, float], None]
"""Told what is being fetched and how much of it is there, in per cent."""


@dataclass(frozen=True)
class Package:
    """One package of a suite."""

    suite: str
    name: str
    version: str
    depends: str


def _run(*command: str | Path) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
        ).stdout
    except FileNotFoundError:
        raise VmError(
            f"{command[0]} is missing: kernels of the catalogue come from Debian's archive through apt; "
            "use --kernel PATH for one of yours"
        ) from None


def address(suite: str) -> str:
    """Return the archive address that this machine has configured for a suite.

    Security suites live in an archive of their own.

    Raises:
        VmError: the machine has no such archive configured.
    """
    targets = _run("apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(REPO_URI)")
    configured = [line.split() for line in targets.splitlines() if line.startswith("Packages ")]
    security = suite.endswith("-security")
    for _, release, uri in configured:
        if release.partition("/")[0].endswith("-security") == security and "debian" in uri:
            return uri
    kind = "security archive" if security else "archive"
    raise VmError(f"no Debian {kind} is configured in this machine's apt sources; it is needed for {suite}")


class Suite:
    """One suite of the archive, with apt's state for it in the cache."""

    def __init__(self, name: str) -> None:
        """Name the suite, such as ``trixie-backports``; nothing is fetched yet."""
        self.name = name
        self.directory = cache.root() / "apt" / name

    def _apt(self, tool: str, *arguments: str, **options: str) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": str(self.directory / "sources.list"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": str(self.directory / "state"),
            "Dir::State::status": str(self.directory / "status"),
            "Dir::Cache": str(self.directory / "cache"),
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            **options,
        }
        return [
            tool,
            *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
            *arguments,
        ]

    @property
    def _stamp(self) -> Path:
        return self.directory / "updated"

    def unchanged_since(self, moment: float) -> bool:
        """Whether the suite's list is fresh and no newer than `moment`, so that nothing can have appeared in it."""
        return self._fresh() and self._stamp.stat().st_mtime <= moment

    def _fresh(self) -> bool:
        return self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < FRESH

    def update(self, *, again: bool = False) -> None:
        """Fetch the suite's list of packages, unless that was done within the last day.

        Raises:
            VmError: the archive can not be reached or its signature does not hold.
        """
        with cache.lock(f"apt-{self.name}"), cache.writing():
            if not again and self._fresh():
                return
            for made in ("state/lists/partial", "cache/archives/partial"):
                (self.directory / made).mkdir(parents=True, exist_ok=True)
            (self.directory / "status").touch()
            source = f"deb [signed-by={KEYRING} arch=amd64] {address(self.name)} {self.name} main\n"
            (self.directory / "sources.list").write_text(source)
            command = self._apt("apt-get", "update", "-qq", **{"APT::Update::Error-Mode": "any"})
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
            )
            if done.returncode != 0:
                raise _failure(f"the list of Debian's suite {self.name}", done.stderr)
            self._stamp.touch()

    def packages(self, pattern: str) -> list[Package]:
        """Return the suite's packages whose names match the regular expression `pattern` as a whole."""
        dumped = _run(*self._apt("apt-cache", "dumpavail"))
        name = re.compile(pattern)
        found = []
        for stanza in dumped.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Depends): (.*)$", stanza, re.MULTILINE))
            if name.fullmatch(fields.get("Package", "")):
                found.append(
                    Package(self.name, fields["Package"], fields["Version"], fields.get("Depends", ""))
                )
        return found

    def download(self, names: Iterable[str], target: Path, progress: Progress) -> list[Path]:
        """Fetch packages into the directory `target` and return their files; apt checks them against the signed list.

        Raises:
            VmError: the archive can not be reached, or what came is not what the list promises.
        """
        reading, writing = os.pipe()
        wanted = list(names)
        command = self._apt("apt-get", "download", "-qq", *wanted, **{"APT::Status-Fd": str(writing)})
        environment = {**os.environ, "LC_ALL": "C"}
        with subprocess.Popen(
            command,
            cwd=target,
            pass_fds=[writing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as apt:
            os.close(writing)
            with os.fdopen(reading) as status:
                for line in status:
                    fields = line.split(":")
                    if fields[0] == "dlstatus":
                        progress(f"fetching {' '.join(wanted)}", float(fields[2]))
            assert apt.stderr is not None
            errors = apt.stderr.read()
        if apt.returncode != 0:
            raise _failure(f"{' '.join(wanted)} of Debian's suite {self.name}", errors)
        return sorted(target.glob("*.deb"))


def _failure(what: str, said: str) -> Exception:
    """Return what to raise when apt could not fetch something: its last error, without the addresses in it."""
    if (full := os.strerror(errno.ENOSPC)) in said:
        return OSError(errno.ENOSPC, full)
    errors = [line[3:] for line in said.splitlines() if line.startswith("E: ")] or said.splitlines()[-1:]
    reason = re.sub(r"https?://\S+", "the archive", errors[0]).strip() if errors else "no reason given"
    return VmError(f"{what} can not be fetched: {reason}")


def newest(packages: Iterable[Package]) -> Package | None:
    """Return the package with the highest version by Debian's rules of comparison, the signed one of two alike."""

    def compare(one: Package, other: Package) -> int:
        if one.version == other.version:
            return ("unsigned" in other.name) - ("unsigned" in one.name)
        later = subprocess.run(["dpkg", "--compare-versions", one.version, "gt", other.version], check=False)
        return 1 if later.returncode == 0 else -1

    return max(packages, key=cmp_to_key(compare), default=None)


def available() -> bool:
    """Whether this machine has apt at all."""
    return tools.find("apt-get") is not None
