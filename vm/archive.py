# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetches from Debian's archive with apt, in private directories.

The machine's package management is not modified. The archive's address, proxy and password are those that the machine's
apt is configured with; its lists need not have been fetched. apt checks the signatures of what it fetches.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cmp_to_key
from pathlib import Path
from urllib.parse import urlsplit

from vm import apt, cache
from vm.apt import AptError
from vm.errors import VmError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FRESH = 24 * 3600
"""Seconds for which the package list of a suite is not fetched again."""

Progress = apt.Progress


@dataclass(frozen=True)
class Package:
    """One package of a suite."""

    suite: str
    name: str
    version: str
    depends: str


@dataclass
class Memory:
    """Facts about archives that a run finds out once."""

    unreachable: dict[str, str] = field(default_factory=dict)
    """Site -> why it could not be reached."""
    asked: str | None = None
    """The error of fetching the Release files of the machine's sources, or ""; None if they were not fetched."""


memory = Memory()


def _say(text: str) -> None:
    print(f"fapitest: {text}", file=sys.stderr, flush=True)


def _private(directory: Path, *command: str, **settings: str) -> list[str]:
    """Return an apt command that keeps its lists, cache and state in `directory`, which is created."""
    lists, packages = directory / "state" / "lists", directory / "cache" / "archives"
    for made in (lists, packages):
        (made / "partial").mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    ours = {
        "Dir::State": str(directory / "state"),
        "Dir::State::lists": str(lists),
        "Dir::State::status": str(directory / "status"),
        "Dir::State::extended_states": str(directory / "extended_states"),
        "Dir::Cache": str(directory / "cache"),
        "Dir::Cache::archives": str(packages),
        "Dir::Cache::pkgcache": str(directory / "cache" / "pkgcache.bin"),
        "Dir::Cache::srcpkgcache": str(directory / "cache" / "srcpkgcache.bin"),
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        **apt.PATIENCE,
        **settings,
    }
    return [command[0], "-c", str(Path(__file__).with_name("apt.conf")), *apt.options(ours), *command[1:]]


# --- the machine's sources ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A suite of an archive that the machine's apt is configured with.

    Attributes:
        address: as apt needs it. It may have a password in it: only `apt.public` of it may be shown.
        suite: the name in the source.
        release: the prefix of the name of its Release file among apt's lists.
    """

    address: str
    suite: str
    release: str


@dataclass(frozen=True)
class Archives:
    """The addresses of Debian's archive and of its security archive in the machine's sources."""

    main: list[str]
    security: list[str]


def archives(progress: Progress = apt.quiet) -> Archives:
    """Find Debian's archives among the machine's sources, by their Release files.

    Release files that the machine's apt has not fetched are fetched once in a run.

    Raises:
        VmError: apt cannot read the machine's sources.
    """
    with cache.writing():
        sources = _sources()
        found = _debian(known := _facts(sources))
        unknown = [source for source in sources if source not in known]
        if unknown and memory.asked is None and not (found.main and found.security):
            memory.asked = _ask(unknown, progress)
            found = _debian(_facts(sources))
    return found


def _debian(known: dict[Source, dict[str, str]]) -> Archives:
    found = Archives([], [])
    for source, facts in known.items():
        if facts.get("Origin") in {"Debian", "Debian Backports"}:
            kind = found.security if facts.get("Label") == "Debian-Security" else found.main
            if source.address not in kind:
                kind.append(source.address)
    return found


_SOURCE = re.compile(r"'(?P<address>[^']+?)/dists/(?P<suite>[^']+)/InRelease' (?P<release>\S+)InRelease ")


def _sources() -> list[Source]:
    printed = apt.ask(*_releases("--print-uris"))
    found = [Source(**match.groupdict()) for match in map(_SOURCE.match, printed.splitlines()) if match]
    return [source for source in found if not source.address.startswith("cdrom:")]


def _releases(*options: str) -> list[str]:
    """Return the command that fetches the Release files of all the machine's sources, into our cache."""
    nothing_else = str(Path(__file__).with_name("apt-releases.conf"))
    command = ["apt-get", "-c", nothing_else, *options, "update"]
    return _private(cache.root() / "apt" / "sources", *command, **{"APT::Update::Error-Mode": "any"})


def _ask(unknown: Iterable[Source], progress: Progress) -> str:
    """Fetch the Release files of the machine's sources; return the error, which may concern a foreign source."""
    sites = ", ".join(dict.fromkeys(apt.public(source.address) for source in unknown))
    try:
        with cache.lock("apt-sources"):
            apt.work(*_releases("-qq"), what=f"asking which is Debian's archive: {sites}", progress=progress)
    except AptError as error:
        return str(error)
    return ""


def _facts(sources: Iterable[Source]) -> dict[Source, dict[str, str]]:
    """Return the fields of the Release files of sources, as far as the machine's apt or this project has fetched them.

    They only tell where to look: that an archive is Debian's is proven by the signatures of its suites.
    """
    (_, _, theirs) = apt.ask("apt-config", "shell", "LISTS", "Dir::State::lists/d").partition("=")
    ours = cache.root() / "apt" / "sources" / "state" / "lists"
    # if apt was killed while it waited for another source, what it had fetched is still in the last place
    places = (Path(*shlex.split(theirs)), ours, ours / "partial")
    known = {}
    for source in sources:
        names = [f"{source.release}{kind}" for kind in ("InRelease", "Release")]
        files = [place / name for place in places for name in names if (place / name).is_file()]
        if files:
            text = files[0].read_text(errors="replace")[:4096]
            known[source] = dict(re.findall(r"^(Origin|Label): (.*)$", text, re.MULTILINE))
    return known


def described() -> str:
    """Return one line that says which archive kernels are fetched from, without passwords.

    Raises:
        VmError: apt is missing, or has no archive of Debian's among its sources.
    """
    found = archives()
    if not (found.main or found.security):
        raise VmError(_absent("archive"))
    kinds = {"archive": found.main, "security archive": found.security}
    return "; ".join(
        f"{kind} {', '.join(map(apt.public, addresses))}" if addresses else _absent(kind)
        for kind, addresses in kinds.items()
    )


def _absent(kind: str) -> str:
    unsure = f", of which not all could be asked: {memory.asked}" if memory.asked else ""
    return f"Debian's {kind} is not among this machine's apt sources{unsure}"


# --- suites -------------------------------------------------------------------------------------------------------


class Suite:
    """One suite of the archive, with apt's state for it in the cache."""

    def __init__(self, name: str) -> None:
        """Set the name of the suite, such as ``trixie-backports``; nothing is fetched yet."""
        self.name = name
        self.directory = cache.root() / "apt" / name

    def _apt(self, *command: str, **settings: str) -> list[str]:
        ours = {
            "Dir::Etc::sourcelist": str(self._source),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        }
        return _private(self.directory, *command, **ours, **settings)

    @property
    def _source(self) -> Path:
        return self.directory / "sources.list"

    @property
    def _stamp(self) -> Path:
        return self.directory / "updated"

    def unchanged_since(self, moment: float) -> bool:
        """Return whether the suite's list is fresh and not newer than `moment`: then it has no new packages."""
        return self._fresh() and self._stamp.stat().st_mtime <= moment

    def _fresh(self) -> bool:
        return self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < FRESH

    def update(self, *, again: bool = False, progress: Progress = apt.quiet) -> None:
        """Fetch the suite's list of packages, unless that was done within the last day.

        Raises:
            VmError: the archive is not among the machine's sources, cannot be reached or does not have the suite, or
                its signature is invalid.
        """
        with cache.lock(f"apt-{self.name}"), cache.writing():
            if not again and self._fresh():
                return
            failures = []
            for address, note in self._addresses(progress):
                try:
                    self._update_from(address, progress)
                except AptError as error:
                    failures.append(error)
                    continue
                if note:
                    _say(f"{note}; {self.name} is taken from beside the main archive")
                return
            raise VmError(f"the list of Debian's suite {self.name} can not be fetched: {self._why(failures)}")

    def _addresses(self, progress: Progress) -> Iterator[tuple[str, str]]:
        """Yield the addresses to try, each with the notice to show if it has the suite."""
        found = archives(progress)
        yield from ((address, "") for address in (found.security if self._is_security else found.main))
        if self._is_security and not found.security:
            # most mirrors of the main archive have the other next to it
            yield from ((f"{address}-security", _absent("security archive")) for address in found.main)

    def _why(self, failures: list[AptError]) -> str:
        """Return why no address had the suite; an unreachable archive is reported before one without the suite."""
        failures.sort(key=lambda failure: not failure.unreachable)
        if failures and (archives().security or not self._is_security):
            return str(failures[0])
        absent = _absent("security archive" if self._is_security else "archive")
        if failures:
            return f"{absent}; beside the main one: {failures[0]}"
        return absent if memory.asked else f"{absent}; add it to them, or use --kernel PATH"

    @property
    def _is_security(self) -> bool:
        return self.name.endswith("-security")

    def _update_from(self, address: str, progress: Progress) -> None:
        signed = f"signed-by={KEYRING} " if KEYRING.exists() else ""
        source = f"deb [{signed}arch=amd64] {address} {self.name} main\n"
        command = self._apt("apt-get", "update", "-qq", **{"APT::Update::Error-Mode": "any"})
        if not self._source.exists() or self._source.read_text() != source:
            self._stamp.unlink(missing_ok=True)
            self._source.touch(mode=0o600)  # the address may hold a password
            self._source.write_text(source)
        _work(address, *command, what=f"fetching the list of Debian's suite {self.name}", progress=progress)
        self._stamp.touch()

    def packages(self, pattern: str) -> list[Package]:
        """Return the suite's packages whose names match the regular expression `pattern` as a whole."""
        dumped = apt.ask(*self._apt("apt-cache", "dumpavail"))
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
            VmError: the archive cannot be reached, or a file does not match the list.
        """
        wanted = list(names)
        address = self._source.read_text().split()[-3]
        command = self._apt("apt-get", "download", "-qq", *wanted)
        try:
            what = f"fetching {' '.join(wanted)}"
            _work(address, *command, what=what, progress=progress, directory=target)
        except AptError as error:
            raise VmError(
                f"{' '.join(wanted)} of Debian's suite {self.name} can not be fetched: {error}"
            ) from error
        return sorted(target.glob("*.deb"))


def _work(address: str, *command: str, what: str, progress: Progress, directory: Path | None = None) -> None:
    """Fetch something from an archive with apt, unless the archive is known to be unreachable."""
    site = urlsplit(address).netloc or address
    if reason := memory.unreachable.get(site):
        raise AptError(reason, unreachable=True)
    try:
        apt.work(*command, what=what, progress=progress, directory=directory)
    except AptError as error:
        if error.unreachable:
            memory.unreachable[site] = str(error)
        raise


def suites(names: Iterable[str], *, again: bool = False, progress: Progress = apt.quiet) -> list[Suite]:
    """Return those of the named suites whose lists can be fetched, and show which cannot.

    Raises:
        VmError: no list can be fetched.
    """
    there, failures = [], []
    for suite in map(Suite, names):
        try:
            suite.update(again=again, progress=progress)
            there.append(suite)
        except VmError as error:
            failures.append(error)
    if not there:
        raise failures[0]
    for failure in failures:
        _say(f"{failure}; going on with {', '.join(suite.name for suite in there)} alone")
    return there


def newest(packages: Iterable[Package]) -> Package | None:
    """Return the package with the highest version by Debian's rules; of two with the same version, the signed one."""

    def compare(one: Package, other: Package) -> int:
        if one.version == other.version:
            return ("unsigned" in other.name) - ("unsigned" in one.name)
        return 1 if is_later(one.version, other.version) else -1

    return max(packages, key=cmp_to_key(compare), default=None)


def is_later(version: str, other: str) -> bool:
    """Return whether a version is later than another by Debian's rules."""
    return subprocess.run(["dpkg", "--compare-versions", version, "gt", other], check=False).returncode == 0
