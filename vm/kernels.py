# SPDX-License-Identifier: GPL-2.0-or-later
"""From a kernel's name or path to files that QEMU can boot."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from vm import archive, build, cache, modules, tools
from vm.archive import Package, Suite
from vm.build import Reference
from vm.catalogue import FLAVOUR, PACKAGE, REFERENCE, SERIES
from vm.cpio import Archive
from vm.errors import VmError


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted.

    Attributes:
        name: what the user called it; the name in every result.
        image: the boot image (bzImage).
        modules: archive of the modules that the guest needs.
        loop: whether loop devices are among them; where they may be missing, a VM gets scratch disks to mount.
        origin: where it comes from, for people.
        packages: the version and the names of the packages that it came in; empty for a kernel of the user's.
        key: what tells its content from any other's, or None for a kernel that may change under its name.
    """

    name: str
    image: Path
    modules: Path
    loop: bool
    origin: str
    packages: dict[str, str] = field(default_factory=dict)
    key: str | None = None


def _quiet(_what: str, _percent: float) -> None:
    """Show nothing."""


def kernel(name: str, *, modules: Path | None = None, progress: archive.Progress = _quiet) -> Kernel:
    """Return the kernel of a catalogue name (``6.12``, ``vm-6.12``, ``ref-6.12``) or of a path of the user's.

    A reference kernel that is not in the cache, or was made of other patches than those of today, is built.

    Raises:
        VmError: no such name or path, or the kernel can not be had.
    """
    series = name.removeprefix("vm-")
    if series in SERIES:
        return _from_archive(series, progress)
    if reference := build.named(series):
        return _from_source(reference, progress)
    path = Path(name).expanduser()
    if path.exists():
        return _from_path(path, modules)
    if "/" in name or path.suffix in {".deb", ".rpm"}:
        raise VmError(f"--kernel {name}: there is no such file or directory")
    known = ", ".join([*SERIES, *(f"ref-{series}" for series in REFERENCE)])
    raise VmError(f"unknown kernel {name!r}; known are {known}, or the path of a kernel of yours")


# --- Debian's archive ---------------------------------------------------------------------------------------------


def directory(series: str) -> Path:
    """Return where the cache keeps the kernel of a series."""
    return cache.root() / "kernels" / series


def cached(series: str) -> Kernel | None:
    """Return the kernel of a series as the cache has it, or None when it is not there or damaged."""
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


def latest(series: str, *, again: bool = False) -> Package:
    """Return the newest package that carries a series' kernel image.

    Raises:
        VmError: the archive can not be asked, or no longer has the series.
    """
    pattern = PACKAGE.format(series=re.escape(series), flavour=FLAVOUR)
    found: list[Package] = []
    for suite in map(Suite, SERIES[series]):
        suite.update(again=again)
        found += suite.packages(pattern)
    if package := archive.newest(package for package in found if not _is_meta(package)):
        return package
    there = [
        p
        for suite in map(Suite, SERIES[series])
        for p in suite.packages(PACKAGE.format(series=r"\d+\.\d+", flavour=FLAVOUR))
    ]
    newest = archive.newest(there)
    offer = f"the newest there is {newest.name} {newest.version}" if newest else "it has no kernel at all"
    raise VmError(
        f"Debian's archive has no {series} kernel any more (looked in {', '.join(SERIES[series])}); {offer}"
    )


def _is_meta(package: Package) -> bool:
    """Whether a package holds no kernel itself but depends on the one that does."""
    return "linux-image-" in package.depends or "linux-binary-" in package.depends


def _from_archive(series: str, progress: archive.Progress) -> Kernel:
    here = cached(series)
    manifest = directory(series) / cache.MANIFEST
    if here and all(suite.unchanged_since(manifest.stat().st_mtime) for suite in map(Suite, SERIES[series])):
        return here
    try:
        package = latest(series)
    except VmError as error:
        if here is None:
            raise
        print(f"fapitest: {error}; using the cached {series} kernel", file=sys.stderr)
        return here
    if here and here.packages.get("version") == package.version:
        manifest.touch()
        return here
    with cache.lock(f"kernel-{series}"):
        here = cached(series)
        if here is None or here.packages.get("version") != package.version:
            fetch(series, package, progress)
    here = cached(series)
    assert here is not None
    return here


def refresh(name: str, progress: archive.Progress) -> Kernel:
    """Return the kernel of a series after asking the archive anew, fetching it if there is a newer one.

    Raises:
        VmError: no such series, or the kernel can not be had.
    """
    series = name.removeprefix("vm-")
    if series not in SERIES:
        raise VmError(f"unknown kernel {name!r}; known are {', '.join(SERIES)}")
    package = latest(series, again=True)
    here = cached(series)
    if here is None or here.packages.get("version") != package.version:
        with cache.lock(f"kernel-{series}"):
            fetch(series, package, progress)
    return kernel(series)


def fetch(series: str, package: Package, progress: archive.Progress) -> None:
    """Fetch a kernel and unpack into the cache what the guest needs of it.

    Raises:
        VmError: the packages can not be fetched, or hold no boot image.
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
        tempfile.TemporaryDirectory(dir=making.parent) as scratch,
    ):
        debs = suite.download(names, Path(scratch), progress)
        progress(f"unpacking the {series} kernel", 100.0)
        facts["loop"] = _unpack(_merged(map(deb_members, debs)), making)


def _companions(suite: Suite, package: Package) -> list[str]:
    """Return the packages with the modules and the configuration of a split kernel, as far as the suite has them.

    When a newer version comes, Debian's archive drops these at once, but keeps the signed images for long: such a
    kernel boots with what it has built in.
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
        VmError: it can not be built; see `build.build`.
    """
    facts: dict[str, Any] = {
        "origin": f"reference implementation on Debian's linux-source-{reference.series}",
        "inputs": reference.inputs,
        "wanted": [*modules.BOOT, *modules.ON_DEMAND],
    }
    version = build.build(reference, progress, fresh=fresh)
    facts["packages"] = {"version": version, "names": f"linux-source-{reference.series}"}
    with cache.lock(f"kernel-{reference.name}"), cache.storing(directory(reference.name), facts) as making:
        facts["loop"] = _unpack(_tree_members(reference.tree, None), making)
    here = cached(reference.name)
    assert here is not None
    return here


# --- packages -----------------------------------------------------------------------------------------------------

Members = dict[str, Callable[[], bytes]]
"""Path inside a package -> a way to get that file's content."""


def _merged(packages: Iterable[Members]) -> Members:
    return {path: content for members in packages for path, content in members.items()}


def deb_members(package: Path) -> Members:
    """Return the boot image, the configuration and the modules of a Debian package, in memory.

    Raises:
        VmError: it is damaged.
    """
    return _tar_members(package, [str(tools.path("dpkg-deb")), "--fsys-tarfile", str(package)])


def rpm_members(package: Path) -> Members:
    """Return the boot image, the configuration and the modules of an RPM package, in memory.

    Raises:
        VmError: it is damaged, or bsdtar is missing.
    """
    if not tools.find("bsdtar"):
        raise VmError("bsdtar is missing, which reads RPM packages; install it: apt install libarchive-tools")
    return _tar_members(package, ["bsdtar", "--format", "ustar", "-cf", "-", f"@{package}"])


_WANTED = re.compile(r"(^|/)(vmlinuz[^/]*|config(-[^/]*)?|[^/]*\.ko(\.xz|\.gz|\.bz2|\.zst)?)$")
_CONFIG = re.compile(r"(^|/)config(-[^/]*)?$")


def _tar_members(package: Path, command: list[str]) -> Members:
    members: Members = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as content:
                for member in content:
                    if member.isfile() and _WANTED.search(member.name):
                        data = content.extractfile(member)
                        assert data is not None
                        members[member.name] = _constant(data.read())
        except tarfile.TarError as error:
            raise VmError(f"{package} is not a package that can be read: {error}") from error
        finally:
            unpacking.kill()
    return members


def _constant(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _unpack(members: Members, target: Path) -> bool:
    """Write boot image, configuration and modules archive of a package into `target`; tell whether loop is in it."""
    images = [path for path in members if path.rpartition("/")[2].startswith("vmlinuz")]
    if not images:
        raise VmError("the package holds no boot image (vmlinuz)")
    (target / "vmlinuz").write_bytes(members[images[0]]())
    check_image(target / "vmlinuz")
    for path in members:
        if _CONFIG.search(path):
            (target / "config").write_bytes(members[path]())
    with (target / "modules.cpio").open("wb") as out:
        return _write_modules(members, out, image_release(target / "vmlinuz"))


def _write_modules(members: Members, out: IO[bytes], release: str) -> bool:
    paths = {name: path for path in members if (name := modules.module_name(path))}

    def read(name: str) -> modules.Module | None:
        return modules.load(paths[name], members[paths[name]]()) if name in paths else None

    extra = [name for name, path in paths.items() if modules.is_extra(path)]
    with Archive(out) as packed:
        modules.write(packed, release, read, extra)
    return "loop" in paths


# --- a user's own kernel ------------------------------------------------------------------------------------------


def image_release(image: Path) -> str:
    """Return the release (uname -r) that a boot image names in its header.

    Source: Documentation/arch/x86/boot.rst, field kernel_version.
    """
    head = image.read_bytes()[:0x8000]
    offset = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    return head[offset : offset + 256].split(b"\0")[0].split(b" ")[0].decode("ascii", "replace")


def check_image(image: Path) -> None:
    """Make sure that a file is a boot image of this architecture.

    Raises:
        VmError: it is not; the text says what it is.
    """
    with image.open("rb") as content:
        head = content.read(0x210)
    if len(head) >= 0x210 and head[0x202:0x206] == b"HdrS":
        return
    if head[:2] == b"MZ" and head[0x38:0x3C] == b"ARM\x64":
        raise VmError(f"{image} is a kernel for arm64; this suite boots x86-64 kernels")
    if head[:4] == b"\x7fELF":
        machine = {0x3E: "x86-64", 0xB7: "arm64", 0xF3: "RISC-V", 0x15: "PowerPC 64"}.get(
            struct.unpack_from("<H", head, 18)[0], "unknown"
        )
        raise VmError(
            f"{image} is an ELF file ({machine}), not a boot image; give the bzImage (arch/x86/boot/bzImage)"
        )
    raise VmError(f"{image} is not a boot image (bzImage) of an x86-64 kernel")


def _from_path(path: Path, module_directory: Path | None) -> Kernel:
    path = path.resolve()
    if path.is_dir():
        return _stored(path.name, path, lambda: _tree_members(path, module_directory), f"build tree {path}")
    if path.suffix == ".deb":
        return _stored(path.stem, path, lambda: deb_members(path), f"package {path}")
    if path.suffix == ".rpm":
        return _stored(path.stem, path, lambda: rpm_members(path), f"package {path}")
    check_image(path)
    name = image_release(path) or path.name
    return _stored(name, path, lambda: _image_members(path, module_directory), f"image {path}")


def _stored(name: str, source: Path, members: Callable[[], Members], origin: str) -> Kernel:
    """Unpack a user's kernel anew each time: it may have been rebuilt under the same name."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", name)
    where = cache.root() / "custom" / name
    facts: dict[str, Any] = {"origin": origin, "packages": {}}
    with cache.lock(f"custom-{name}"), cache.storing(where, facts) as making:
        try:
            facts["loop"] = _unpack(members(), making)
        except VmError as error:
            raise VmError(f"--kernel {source}: {error}") from error
    return Kernel(name, where / "vmlinuz", where / "modules.cpio", bool(facts["loop"]), origin)


def _image_members(image: Path, module_directory: Path | None) -> Members:
    members: Members = {"vmlinuz": image.read_bytes}
    if module_directory:
        members |= _directory_members(module_directory)
    return members


def _tree_members(tree: Path, module_directory: Path | None) -> Members:
    image = tree / "arch/x86/boot/bzImage"
    if not image.exists():
        raise VmError(
            f"no {image.relative_to(tree)} there; it is not a built x86-64 kernel tree (run make there first)"
        )
    members: Members = {"vmlinuz": image.read_bytes, **_directory_members(module_directory or tree)}
    if (tree / ".config").exists():
        members["config"] = (tree / ".config").read_bytes
    return members


def _directory_members(directory: Path) -> Members:
    if not directory.is_dir():
        raise VmError(f"the module directory {directory} does not exist")
    return {
        str(path.relative_to(directory)): path.read_bytes
        for path in directory.rglob("*.ko*")
        if modules.module_name(path.name) and path.is_file()
    }


def forget(series: str) -> None:
    """Remove a series' kernel from the cache."""
    shutil.rmtree(directory(series), ignore_errors=True)
