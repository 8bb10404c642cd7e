# SPDX-License-Identifier: GPL-2.0-or-later
"""Resolves a kernel's name or path to files that QEMU can boot."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vm import apt, archive, build, cache, modules, own
from vm.archive import Package, Suite
from vm.bootimage import Kernel
from vm.build import Reference
from vm.catalogue import FLAVOUR, PACKAGE, REFERENCE, SERIES
from vm.errors import VmError
from vm.packages import deb_members, merged, tree_members, unpack
from vm.words import nearest


def kernel(name: str, *, modules: Sequence[Path] = (), progress: archive.Progress = apt.quiet) -> Kernel:
    """Return the kernel of a catalogue name (``6.12``, ``vm-6.12``, ``ref-6.12``), or of a user's PATH or NAME=PATH.

    It stays in the cache until this process ends. A reference kernel that is not in the cache, or was built with other
    patches, is built. `modules` are the user's packages and directories with modules.

    Raises:
        VmError: there is no such name or path, or the kernel cannot be fetched or built.
    """
    found = _catalogued(name, progress)
    if found is None:
        return _users(name, modules)
    if modules:
        raise VmError(
            f"--modules {modules[0]}: {name} comes with its modules; --modules is for --kernel PATH"
        )
    cache.hold(found.image.parent)
    return found


def _catalogued(name: str, progress: archive.Progress) -> Kernel | None:
    series = name.removeprefix("vm-")
    if series in SERIES:
        return _from_archive(series, progress)
    if reference := build.named(series):
        return _from_source(reference, progress)
    return None


def _users(name: str, modules: Sequence[Path]) -> Kernel:
    if not name:
        raise VmError("--kernel '': name a series, such as 6.12, or the path of a kernel of yours")
    if (
        "=" in name
        or "/" in name
        or Path(name).suffix in {".deb", ".rpm"}
        or Path(name).expanduser().exists()
    ):
        return own.kernel(name, modules)
    raise unknown(name, [*SERIES, *references()], "or the path of a kernel of yours")


def references() -> list[str]:
    """Return the names of the reference kernels."""
    return [Reference(series, debug=debug).name for series in REFERENCE for debug in (False, True)]


def unknown(name: str, known: Sequence[str], *more: str) -> VmError:
    """Return the error for an unknown name."""
    hint = nearest(name.removeprefix("vm-"), known)
    return VmError(f"unknown kernel {name!r}{hint or ';'} known are {', '.join([*known, *more])}")


# --- Debian's archive ---------------------------------------------------------------------------------------------


def directory(series: str) -> Path:
    """Return the directory in the cache with the kernel of a series."""
    return cache.root() / "kernels" / series


def cached(series: str) -> Kernel | None:
    """Return the cached kernel of a series, or None if it is missing or damaged."""
    where = directory(series)
    facts = cache.stored(where)
    if facts is None or facts.get("wanted") != [*modules.BOOT, *modules.ON_DEMAND]:
        return None
    key = cache.digest(where / cache.MANIFEST)
    return Kernel(
        series,
        where / "vmlinuz",
        where / "modules.cpio",
        facts["loop"],
        facts["origin"],
        facts["packages"],
        key,
    )


def is_named(name: str) -> bool:
    """Return whether a name is in the catalogue: then a kernel that cannot be fetched is not the user's mistake."""
    return name.removeprefix("vm-") in {*SERIES, *references()}


def latest(series: str, *, again: bool = False, progress: archive.Progress = apt.quiet) -> Package:
    """Return the newest package with the kernel image of a series.

    Raises:
        VmError: the archive cannot be reached, or no longer has the series.
    """
    suites = archive.suites(SERIES[series], again=again, progress=progress)

    def carrying(series: str) -> Iterator[Package]:
        pattern = PACKAGE.format(series=series, flavour=FLAVOUR)
        return (package for suite in suites for package in suite.packages(pattern))

    if package := archive.newest(found for found in carrying(re.escape(series)) if not _is_meta(found)):
        return package
    newest = archive.newest(carrying(r"\d+\.\d+"))
    offer = f"the newest there is {newest.name} {newest.version}" if newest else "it has no kernel at all"
    raise VmError(
        f"Debian's archive has no {series} kernel any more (looked in {', '.join(s.name for s in suites)}); {offer}"
    )


def _is_meta(package: Package) -> bool:
    """Return whether a package has no kernel itself but depends on the one that does."""
    return "linux-image-" in package.depends or "linux-binary-" in package.depends


def _from_archive(series: str, progress: archive.Progress) -> Kernel:
    here = cached(series)
    manifest = directory(series) / cache.MANIFEST
    if here and all(suite.unchanged_since(manifest.stat().st_mtime) for suite in map(Suite, SERIES[series])):
        return here
    try:
        return _updated(series, latest(series, progress=progress), progress)
    except VmError as error:
        if here is None:
            raise
        print(f"fapitest: {error}; using the cached {series} kernel", file=sys.stderr, flush=True)
        return here


def _updated(series: str, package: Package, progress: archive.Progress) -> Kernel:
    """Return the kernel of a series; fetch it if the cache has none or an older one."""
    with cache.lock(f"kernel-{series}"):
        here = cached(series)
        if here is None or archive.is_later(package.version, here.packages.get("version", "0")):
            fetch(series, package, progress)
            here = cached(series)
        with cache.writing():
            (directory(series) / cache.MANIFEST).touch()
    assert here is not None
    return here


def series_of(name: str) -> str:
    """Return the series of a Debian kernel. Raises VmError if the name is unknown."""
    series = name.removeprefix("vm-")
    if series in references():
        raise VmError(f"{name} is built, not fetched: python -m vm build {series}")
    if series not in SERIES:
        raise unknown(name, list(SERIES))
    return series


def refresh(series: str, progress: archive.Progress) -> Kernel:
    """Update the archive's lists, and return the kernel of a series; fetch it if there is a newer one.

    Raises:
        VmError: the kernel cannot be fetched.
    """
    return _updated(series, latest(series, again=True, progress=progress), progress)


def fetch(series: str, package: Package, progress: archive.Progress) -> None:
    """Fetch a kernel and unpack the files that the guest needs into the cache.

    Raises:
        VmError: the packages cannot be fetched, or have no boot image.
    """
    suite = Suite(package.suite)
    names = [package.name, *_companions(suite, package)]
    without = (
        ""
        if len(names) > 1 or package.name.startswith("linux-image-")
        else ", whose modules the archive has lost"
    )
    facts: dict[str, Any] = {
        "origin": f"Debian {package.suite}{without}",
        "packages": {"version": package.version, "names": " ".join(names)},
        "wanted": [*modules.BOOT, *modules.ON_DEMAND],
    }
    with (
        cache.storing(directory(series), facts) as making,
        tempfile.TemporaryDirectory(dir=making) as scratch,
    ):
        debs = suite.download(names, Path(scratch), progress)
        progress(f"unpacking the {series} kernel", 100.0)
        facts["loop"] = unpack(merged(map(deb_members, debs)), making)


def _companions(suite: Suite, package: Package) -> list[str]:
    """Return the packages with the modules and the configuration of a split kernel, as far as the suite has them.

    When there is a newer version, Debian's archive drops these at once but keeps the signed images for long. Such a
    kernel boots with its built-in drivers only.
    """
    if not package.name.startswith("linux-binary-"):
        return []
    release = re.escape(package.name.removeprefix("linux-binary-").removeprefix("unsigned-"))
    return [found.name for found in suite.packages(f"linux-(modules|base)-{release}")]


# --- reference kernels --------------------------------------------------------------------------------------------


def _from_source(reference: Reference, progress: archive.Progress) -> Kernel:
    here = cached(reference.name)
    facts = cache.stored(directory(reference.name)) or {}
    if here and facts.get("inputs") == reference.inputs:
        return here
    return make(reference, progress)


def make(reference: Reference, progress: archive.Progress, *, fresh: bool = False) -> Kernel:
    """Build a reference kernel and put it into the cache.

    Raises:
        VmError: it cannot be built; see `build.build`.
    """
    facts: dict[str, Any] = {
        "origin": f"reference implementation on Debian's linux-source-{reference.series}",
        "inputs": reference.inputs,
        "wanted": [*modules.BOOT, *modules.ON_DEMAND],
    }
    version = build.build(reference, progress, fresh=fresh)
    facts["packages"] = {"version": version, "names": f"linux-source-{reference.series}"}
    with cache.lock(f"kernel-{reference.name}"), cache.storing(directory(reference.name), facts) as making:
        facts["loop"] = unpack(tree_members(reference.tree), making)
    here = cached(reference.name)
    assert here is not None
    return here


def forget(series: str) -> None:
    """Remove a series' kernel from the cache."""
    shutil.rmtree(directory(series), ignore_errors=True)
