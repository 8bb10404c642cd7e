# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads kernels from packages, build trees and directories of modules, and extracts what a guest needs."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from vm import bootimage, modules, tools
from vm.cpio import Archive
from vm.errors import VmError

Members = dict[str, Callable[[], bytes]]
"""Path inside a package -> a function that returns the file's content."""

BZIMAGE = "arch/x86/boot/bzImage"
"""The path of the boot image in a build tree."""

_WANTED = re.compile(r"(^|/)(vmlinuz[^/]*|config(-[^/]*)?|[^/]*\.ko(\.xz|\.gz|\.bz2|\.zst)?)$")
_IMAGE = re.compile(r"(^|/)vmlinuz[^/]*$")
_CONFIG = re.compile(r"(^|/)config(-[^/]*)?$")
_DEBUG = re.compile(r"(^|/)usr/lib/debug/")
_INSTALLED = re.compile(r"(^|/)lib/modules/(?P<release>[^/]+)/")


def merged(packages: Iterable[Members]) -> Members:
    """Return the members of several packages together."""
    return {path: content for members in packages for path, content in members.items()}


def is_package(path: Path) -> bool:
    """Return whether a file has the name of a package."""
    return path.suffix in {".deb", ".rpm"}


def package_members(package: Path) -> Members:
    """Return the boot image, the configuration and the modules of a Debian or RPM package, in memory.

    Raises:
        VmError: the package is damaged, or the program that reads it is missing.
    """
    return deb_members(package) if package.suffix == ".deb" else rpm_members(package)


def deb_members(package: Path) -> Members:
    """Return the boot image, the configuration and the modules of a Debian package, in memory.

    Raises:
        VmError: the package is damaged.
    """
    return _tar_members(package, [str(tools.path("dpkg-deb")), "--fsys-tarfile", str(package)])


def rpm_members(package: Path) -> Members:
    """Return the boot image, the configuration and the modules of an RPM package, in memory.

    Raises:
        VmError: the package is damaged, or bsdtar is missing.
    """
    if not tools.find("bsdtar"):
        raise VmError("bsdtar is missing, which reads RPM packages; install it: apt install libarchive-tools")
    return _tar_members(package, ["bsdtar", "--format", "ustar", "-cf", "-", f"@{package}"])


def _tar_members(package: Path, command: list[str]) -> Members:
    members: Members = {}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as unpacking,
    ):
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as content:
                for member in content:
                    if member.isfile() and _WANTED.search(member.name) and not _DEBUG.search(member.name):
                        data = content.extractfile(member)
                        assert data is not None
                        members[member.name.removeprefix("./")] = _constant(data.read())
        except tarfile.TarError as error:
            raise VmError(f"{package} is not a package that can be read: {error}") from error
        finally:
            unpacking.kill()
    return members


def _constant(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def tree_members(tree: Path) -> Members:
    """Return the boot image, the configuration and the modules of the kernel that was built in `tree`.

    Raises:
        VmError: there is no boot image.
    """
    image = tree / BZIMAGE
    if not image.exists():
        raise VmError(
            f"no {BZIMAGE} there; it is not a built x86-64 kernel tree (run make there first; "
            "of one that was built with O=DIR give DIR)"
        )
    members: Members = {"vmlinuz": image.read_bytes, **_built_modules(tree)}
    if (tree / ".config").exists():
        members["config"] = (tree / ".config").read_bytes
    return members


def image_members(image: Path) -> Members:
    """Return a boot image, and its configuration if that is beside it as in a build tree or a distribution."""
    beside = image.with_name(image.name.replace("vmlinuz", "config", 1))
    config = image.parents[3] / ".config" if str(image).endswith(f"/{BZIMAGE}") else beside
    members: Members = {"vmlinuz": image.read_bytes}
    if config != image and config.name != "config" and config.is_file():
        members["config"] = config.read_bytes
    return members


def directory_members(directory: Path, release: str) -> Members:
    """Return the modules of a release from a directory: a build tree, /lib/modules/RELEASE, or one of its parents.

    Raises:
        VmError: the directory does not exist, or has no modules.
    """
    if not directory.is_dir():
        raise VmError(f"--modules {directory}: is neither a directory nor a package (.deb, .rpm)")
    places = (directory / below / release for below in (".", "lib/modules", "usr/lib/modules"))
    installed = next((place for place in places if release and place.is_dir()), None)
    found = _all_modules(installed) if installed else _built_modules(directory)
    if not found:
        raise VmError(f"--modules {directory}: there are no modules (*.ko) in it")
    return found


def _built_modules(tree: Path) -> Members:
    """Return all modules of a directory; of a build tree with a list of modules, those of the last build."""
    order = tree / "modules.order"
    if not order.exists() or not (tree / ".config").exists():
        return _all_modules(tree)
    # Up to Linux 6.1 the list has kernel/fs/x.ko, later fs/x.o. It excludes copies, such as those in debian/.
    listed = (Path(line.removeprefix("kernel/")).with_suffix(".ko") for line in order.read_text().split())
    own = {str(path): (tree / path).read_bytes for path in listed if (tree / path).is_file()}
    return own | {f"extra/{path}": read for path, read in _all_modules(tree / "extra").items()}


def _all_modules(directory: Path) -> Members:
    return {str(path.relative_to(directory)): path.read_bytes for path in _walk(directory)}


def _walk(directory: Path) -> Iterator[Path]:
    for place, _, files in os.walk(directory):
        yield from (
            Path(place, name) for name in files if modules.module_name(name) and Path(place, name).is_file()
        )


def image_path(members: Members) -> str:
    """Return the path of the boot image.

    Raises:
        VmError: there is none, or there are images of several kernels.
    """
    images = sorted(path for path in members if _IMAGE.search(path))
    if not images:
        raise VmError(f"the package holds no boot image (vmlinuz), {_holds(members)}")
    releases: dict[str, str] = {}
    for path in images:
        content = members[path]()
        bootimage.check_head(content[:0x210], path)
        releases.setdefault(bootimage.check_release(content, path), path)
    if len(releases) > 1:
        raise VmError(f"the package holds several kernels: {', '.join(releases)}; give one that holds one")
    return next(iter(releases.values()))


def _holds(members: Members) -> str:
    count = sum(1 for path in members if modules.module_name(path))
    if not count:
        return "and nothing else of a kernel either"
    of = ", ".join(sorted({match["release"] for path in members if (match := _INSTALLED.search(path))}))
    return f"but {count} module{'s' * (count > 1)}{' of ' * bool(of)}{of}, to give beside a kernel: --modules FILE"


def unpack(members: Members, target: Path) -> bool:
    """Write boot image, configuration and modules archive of a kernel to `target`; return whether loop is included.

    Raises:
        VmError: there is not exactly one boot image, or the modules belong to another kernel.
    """
    image = members[image_path(members)]()
    (target / "vmlinuz").write_bytes(image)
    if configuration := config(members):
        (target / "config").write_bytes(configuration)
    with (target / "modules.cpio").open("wb") as out:
        return _write_modules(members, out, bootimage.check_release(image, "the boot image"))


def config(members: Members) -> bytes:
    """Return the configuration of a kernel, or b"" if there is none."""
    return next((members[path]() for path in sorted(members) if is_config(path)), b"")


def is_config(path: str) -> bool:
    """Return whether a path inside a package is that of the kernel's configuration."""
    return bool(_CONFIG.search(path))


def module_paths(members: Members) -> dict[str, str]:
    """Return name -> path of all modules; an extra module replaces the kernel's own with the same name."""
    ordered = sorted(members, key=modules.is_extra)
    return {name: path for path in ordered if (name := modules.module_name(path))}


def _write_modules(members: Members, out: IO[bytes], release: str) -> bool:
    paths = module_paths(members)

    def read(name: str) -> modules.Module | None:
        if name not in paths:
            return None
        module = modules.load(paths[name], members[paths[name]]())
        _check_version(module, paths[name], release)
        return module

    extra = [name for name, path in paths.items() if modules.is_extra(path)]
    with Archive(out) as packed:
        modules.write(packed, release or "unknown", read, extra)
    return "loop" in paths


def _check_version(module: modules.Module, path: str, release: str) -> None:
    """Raise VmError if the kernel would reject a module; with CONFIG_MODVERSIONS it compares more than the release."""
    magic = next(iter(module.info("vermagic")), "").split()
    if magic and release and magic[0] != release and "modversions" not in magic:
        raise VmError(
            f"the module {path} is of {magic[0]} and the kernel is {release}; give the modules of this kernel"
        )
