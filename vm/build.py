# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference kernels: Debian's kernel source with the patches of ``vm/reference``, built from a small configuration.

The trees are kept in the cache, so that a changed patch costs a minute and not a whole build.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vm import archive, cache, tools
from vm.archive import Package, Suite
from vm.catalogue import REFERENCE
from vm.errors import VmError

PLACE = Path(__file__).parent / "reference"
"""The directory of configuration, patches and handlers."""

HANDLERS = "extra"
"""The directory in a build tree for modules that do not belong to Linux."""

_NAME = re.compile(r"ref-(?P<series>\d+\.\d+)(?P<debug>-debug)?")
_STAMP = "source.json"


@dataclass(frozen=True)
class Reference:
    """A reference kernel.

    Attributes:
        series: the series of Debian's source that it is built from, such as ``6.12``.
        debug: whether the kernel's own checks are compiled in.
    """

    series: str
    debug: bool = False

    @property
    def name(self) -> str:
        """Its name: ``ref-6.12``, ``ref-6.12-debug``."""
        return f"ref-{self.series}{'-debug' if self.debug else ''}"

    @property
    def directory(self) -> Path:
        """The directory in the cache with the source and the trees of the series."""
        return cache.root() / "reference" / self.series

    @property
    def tree(self) -> Path:
        """The build tree, which ``--kernel`` takes too."""
        return self.directory / ("debug" if self.debug else "build")

    @property
    def patches(self) -> list[Path]:
        """The patches, in the order in which they are applied."""
        return sorted((PLACE / "patches" / self.series).glob("*.patch"))

    @property
    def fragments(self) -> list[Path]:
        """The parts of the configuration; a later one overrides an earlier one."""
        names = ["kernel", self.series, *(["debug"] if self.debug else [])]
        return [PLACE / f"{name}.config" for name in names]

    @property
    def inputs(self) -> str:
        """A digest of everything that the project adds to the kernel: if it changes, the kernel must be rebuilt."""
        parts = [*self.patches, *self.fragments, *sorted((PLACE / "handlers").iterdir())]
        content = [(part.name, cache.digest(part)) for part in parts]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def named(name: str) -> Reference | None:
    """Return the reference kernel of that name, or None if there is none."""
    match = _NAME.fullmatch(name)
    if match is None or match["series"] not in REFERENCE:
        return None
    return Reference(match["series"], debug=bool(match["debug"]))


def build(reference: Reference, progress: archive.Progress, *, fresh: bool = False) -> str:
    """Build a reference kernel in its tree and return the version of the source.

    A source in the cache is reused; with `fresh` the newest is fetched, which means a full build.

    Raises:
        VmError: a tool is missing, the source cannot be fetched, a patch does not apply, an option is not accepted,
            or the compiler fails.
    """
    if absent := tools.missing_for_builds():
        raise VmError(f"building a kernel needs {', '.join(absent)}; as root: apt install {' '.join(absent)}")
    with cache.lock(f"reference-{reference.series}"), cache.writing():
        version = _source(reference, progress, fresh=fresh)
        source = reference.directory / "source"
        patch(source, reference.directory / "pristine", reference.patches, f"Linux {version}")
        progress(f"building {reference.name} from linux-source-{reference.series} {version}", 0.0)
        _configure(reference, source)
        _make(reference, "bzImage", "modules")
        handlers = reference.tree / HANDLERS
        shutil.copytree(PLACE / "handlers", handlers, dirs_exist_ok=True)
        _make(reference, f"M={handlers}", "modules")
        progress(f"building {reference.name} from linux-source-{reference.series} {version}", 100.0)
    return version


# --- the source ---------------------------------------------------------------------------------------------------


def _source(reference: Reference, progress: archive.Progress, *, fresh: bool) -> str:
    """Unpack the source if necessary, and return its version."""
    stamp = reference.directory / _STAMP
    there = json.loads(stamp.read_text())["version"] if stamp.exists() else ""
    if there and not fresh:
        return str(there)
    package = _newest(reference.series, progress, again=fresh)
    if package.version != there:
        shutil.rmtree(reference.directory, ignore_errors=True)
        reference.directory.mkdir(parents=True)
        _unpack(package, reference.directory, progress)
        stamp.write_text(json.dumps({"version": package.version}))
    return package.version


def _newest(series: str, progress: archive.Progress, *, again: bool) -> Package:
    suites = archive.suites(REFERENCE[series], again=again, progress=progress)
    found = [p for suite in suites for p in suite.packages(re.escape(f"linux-source-{series}"))]
    if package := archive.newest(found):
        return package
    raise VmError(f"Debian's archive has no linux-source-{series} (looked in {', '.join(REFERENCE[series])})")


def _unpack(package: Package, directory: Path, progress: archive.Progress) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        (deb,) = Suite(package.suite).download([package.name], Path(scratch), progress)
        progress(f"unpacking {package.name}", 0.0)
        _run([tools.path("dpkg-deb"), "--extract", deb, scratch], "the source package")
        (tarball,) = Path(scratch).glob("usr/src/linux-source-*.tar.xz")
        (directory / "source").mkdir()
        _run(
            ["tar", "-xf", tarball, "--strip-components=1", "-C", directory / "source"],
            "the source's archive",
        )
        progress(f"unpacking {package.name}", 100.0)


def _run(command: list[str | Path], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise VmError(f"{what} can not be unpacked: {said[0]}")


# --- patches ------------------------------------------------------------------------------------------------------

_OLD_AND_NEW = re.compile(
    r"^--- (?:a/(?P<old>\S+)|/dev/null).*\n\+\+\+ (?:b/(?P<new>\S+)|/dev/null)", re.MULTILINE
)
_PATCHING = re.compile(r"patching file '?([^'\n]+)'?")
_FAILED = re.compile(r"Hunk #(\d+) FAILED at (\d+)")


def touched(patch_text: str) -> dict[str, bool]:
    """Return the files that a patch changes, and whether it creates them."""
    found = {m["new"] or m["old"]: m["old"] is None for m in _OLD_AND_NEW.finditer(patch_text)}
    return {path: new for path, new in found.items() if path}


def patch(source: Path, pristine: Path, patches: Iterable[Path], version: str) -> None:
    """Apply exactly `patches` to a source tree, whatever patches it had before.

    `pristine` keeps the original files; a file that no patch changes any more is restored from it. Files whose content
    does not change are not written, because make would compile them again.

    Raises:
        VmError: a patch does not apply; the text names the hunk, and the tree is unchanged.
    """
    for file in patches:
        for path, new in touched(file.read_text()).items():
            kept = pristine / path
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(b"" if new else _original(source / path, file, version))
    with tempfile.TemporaryDirectory() as scratch:
        if pristine.exists():
            shutil.copytree(pristine, scratch, dirs_exist_ok=True)
        for file in patches:
            _apply(file, Path(scratch), version)
        for made in (path for path in Path(scratch).rglob("*") if path.is_file()):
            _settle(source / made.relative_to(scratch), made.read_bytes())


def _original(file: Path, patch_file: Path, version: str) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise VmError(f"{patch_file.name} does not apply to {version}: there is no {file.name}") from None


def _apply(file: Path, tree: Path, version: str) -> None:
    command: list[str | Path] = [
        tools.path("patch"),
        "-p1",
        "--batch",
        "--forward",
        "--no-backup-if-mismatch",
        "-r",
        "-",
        "-i",
        file,
    ]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode != 0:
        raise VmError(f"{file.name} does not apply to {version}: {failure(done.stdout)}")


def failure(said: str) -> str:
    """Return the hunks that failed, from the output of patch(1)."""
    file, failed = "", []
    for line in said.splitlines():
        if match := _PATCHING.match(line):
            file = match[1]
        elif match := _FAILED.match(line):
            failed.append(f"hunk {match[1]} of {file} (line {match[2]})")
    return ", ".join(failed) or (said.strip().splitlines() or ["no reason given"])[-1]


def _settle(file: Path, content: bytes) -> None:
    if not content:
        file.unlink(missing_ok=True)
    elif not file.exists() or file.read_bytes() != content:
        file.write_bytes(content)


# --- configuration and compilation --------------------------------------------------------------------------------

_OPTION = re.compile(r"^(?:(?P<set>CONFIG_\w+)=.*|# (?P<unset>CONFIG_\w+) is not set)$", re.MULTILINE)


def options(text: str) -> dict[str, str]:
    """Return the options of a kernel configuration: name -> the line that sets it; the last one wins."""
    return {m["set"] or m["unset"]: m[0] for m in _OPTION.finditer(text)}


def merged(texts: Iterable[str]) -> str:
    """Merge configurations into one; a later one overrides an earlier one."""
    found: dict[str, str] = {}
    for text in texts:
        found |= options(text)
    return "".join(f"{line}\n" for line in found.values())


def not_taken(wanted: Mapping[str, str], got: Mapping[str, str]) -> list[str]:
    """Return the lines of `wanted` that a final configuration does not have; an option that is off may be absent."""
    return [line for name, line in wanted.items() if got.get(name, f"# {name} is not set") != line]


def _configure(reference: Reference, source: Path) -> None:
    reference.tree.mkdir(exist_ok=True)
    wanted = merged(fragment.read_text() for fragment in reference.fragments)
    base = (source / "kernel/configs/tiny-base.config").read_text()
    fragment = reference.tree / "fragment.config"
    fragment.write_text(merged([base, wanted]))
    _make(reference, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig")
    if lost := not_taken(options(wanted), options((reference.tree / ".config").read_text())):
        raise VmError(
            f"Linux {reference.series} does not take over: {', '.join(lost)} (vm/reference/*.config)"
        )


def _make(reference: Reference, *targets: str) -> None:
    log = reference.tree / "make.log"
    command: list[str | Path] = [
        "make",
        "-s",
        "-C",
        reference.directory / "source",
        f"O={reference.tree}",
        f"-j{os.cpu_count()}",
    ]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "KBUILD_BUILD_USER": "fapitest",
        "KBUILD_BUILD_HOST": "reference",
    }
    with log.open("w") as out:
        done = subprocess.run(
            [*command, *targets], stdout=out, stderr=subprocess.STDOUT, check=False, env=environment
        )
    if done.returncode != 0:
        raise VmError(f"building {reference.name} failed: {first_error(log.read_text())} (all of it: {log})")


def first_error(said: str) -> str:
    """Return the first line of a build's output that reports an error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next(
        (line for line in lines if re.search(r"\berror\b|\*\*\*", line, re.IGNORECASE)), "".join(lines[-1:])
    )
