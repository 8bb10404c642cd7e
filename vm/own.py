# SPDX-License-Identifier: GPL-2.0-or-later
"""A user's own kernels: identified by content, named by a label.

The files that a guest needs are cached under a digest of their content, so that another kernel never replaces them, and
stay in the cache while a run uses them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vm import bootimage, cache, modules, packages
from vm.bootimage import Kernel
from vm.catalogue import SERIES
from vm.errors import VmError
from vm.packages import Members

KEEP = 8
"""Number of unused kernels, the most recently used ones, that stay in the cache."""

LABEL = re.compile(r"[A-Za-z0-9._+-]{1,100}")
_PATHLIKE = re.compile(r"[^A-Za-z0-9._+-]")
_THIS_MACHINE = "host"
_REFERENCE = "-reference"

_NEEDED = {
    "BLK_DEV_INITRD": None,
    "SERIAL_8250_CONSOLE": None,
    "VIRTIO_PCI": "virtio_pci",
    "VIRTIO_CONSOLE": "virtio_console",
}
"""Options that a guest's kernel needs -> the module that may provide it if it is not built in."""

_MODULE_PACKAGES = (
    (re.compile(r"linux-(?:binary|image)-(?:unsigned-)?(?P<release>[^_]+)_"), "linux-modules-{release}"),
    (re.compile(r"(?P<kind>kernel(?:-\w+)?)-core-(?P<release>.+)\.rpm"), "{kind}-modules-core-{release}"),
)
"""Names of the packages with the boot image and with the drivers, in distributions that split a kernel."""


def split(word: str) -> tuple[str | None, str]:
    """Split ``NAME=PATH`` into the label, None if there is none, and the path; a path like ``./a=b`` needs the ``./``.

    Raises:
        VmError: the label has invalid characters, or is the name of another kernel.
    """
    label, equals, path = word.partition("=")
    if not equals or "/" in label:
        return None, word
    if not path:
        raise VmError(f"--kernel {word}: no path stands behind the =; write NAME=PATH")
    if not LABEL.fullmatch(label) or label in {".", ".."}:
        raise VmError(
            f"--kernel {word}: {label!r} can not be a kernel's name; "
            "take at most 100 of the characters A-Z a-z 0-9 . _ + -"
        )
    if is_taken(label, _REFERENCE):
        raise VmError(f"--kernel {word}: {label} is the name of another kernel; call yours differently")
    return label, path


def path_of(text: str) -> Path | None:
    """Return the path, with ~ expanded, or None if it does not exist."""
    path = Path(os.path.expanduser(text))  # noqa: PTH111  leaves the ~ of an unknown user alone
    return path.resolve() if text and os.access(path, os.F_OK) else None


def modules_of(number: int, words: Sequence[str], given: Iterable[tuple[int, str]]) -> list[Path]:
    """Return the module sources for kernel `number`, counted from 0, of the kernels `words`.

    `given` are the module sources, each with the number of kernels before it on the command line. A source belongs to
    the kernel before it; a source before any kernel belongs to the only kernel.

    Raises:
        VmError: a source comes before any kernel, and there are several kernels.
    """
    mine = []
    for before, source in given:
        if not before and len(words) > 1:
            raise VmError(
                f"--modules {source}: say for which kernel; --modules stands behind the --kernel it is for"
            )
        if max(before, 1) == number + 1:
            mine.append(Path(source))
    return mine


def kernel(word: str, sources: Sequence[Path] = ()) -> Kernel:
    """Return the kernel of ``PATH`` or ``NAME=PATH``, with modules from further packages and directories.

    The path is that of a built tree, a boot image, or a package.

    Raises:
        VmError: there is no kernel, or it lacks something that a guest needs; the text is one line.
    """
    label, text = split(word)
    if (path := path_of(text)) is None:
        no_label = "; a NAME before = has no /" if "=" in text else ""
        raise VmError(f"--kernel {word}: there is no such file or directory{no_label}")
    try:
        return _kernel(path, label, sources)
    except VmError as error:
        raise VmError(f"--kernel {word}: {error}") from error
    except OSError as error:
        raise VmError(f"--kernel {word}: {error.filename or path}: {error.strerror}") from error


def _kernel(path: Path, label: str | None, sources: Sequence[Path]) -> Kernel:
    members, origin = _members(path)
    release = bootimage.check_release(members[packages.image_path(members)](), str(path))
    if label and is_taken(label, release):
        raise VmError(f"names that begin with ref- are those of reference kernels; call {label} differently")
    given = packages.merged(_module_members(source, release) for source in sources)
    # A configuration in the image's own package takes precedence.
    come_with_one = bool(packages.config(members))
    members |= {p: read for p, read in given.items() if not (come_with_one and packages.is_config(p))}
    _check_drivers(members, path)
    where, loop = _store(members)
    first, *others = [label] if label else _labels(path, release, where.name)
    return Kernel(first, where / "vmlinuz", where / "modules.cpio", loop, origin, other_names=tuple(others))


def _members(path: Path) -> tuple[Members, str]:
    """Return the files of a kernel, and a description for users."""
    if path.is_dir():
        return packages.tree_members(path), f"build tree {path}"
    if packages.is_package(path):
        return packages.package_members(path), f"package {path}"
    bootimage.check_image(path)
    return packages.image_members(path), f"image {path}"


def _module_members(source: Path, release: str) -> Members:
    path = path_of(str(source))
    if path is None:
        raise VmError(f"--modules {source}: there is no such file or directory")
    if not packages.is_package(path):
        return packages.directory_members(path, release)
    members = packages.package_members(path)
    found = {p: read for p, read in members.items() if modules.module_name(p) or packages.is_config(p)}
    if not found:
        raise VmError(f"--modules {source}: the package holds no modules")
    return found


def is_taken(name: str, release: str) -> bool:
    """Return whether a name belongs to a kernel of the catalogue, or to a reference kernel that this one is not."""
    no_reference = name.startswith("ref-") and _REFERENCE not in release
    return name.removeprefix("vm-") in SERIES or name == _THIS_MACHINE or no_reference


def _check_drivers(members: Members, path: Path) -> None:
    """Check before booting that the kernel has the options that a guest needs, if its configuration is known.

    Raises:
        VmError: it lacks one.
    """
    configuration = packages.config(members).decode("utf-8", "replace")
    there = packages.module_paths(members)
    for option, module in _NEEDED.items() if configuration else ():
        value = re.search(rf"^CONFIG_{option}=(.)", configuration, re.MULTILINE)
        if value is None or (value[1] == "m" and module is None):
            raise VmError(
                f"it is built without CONFIG_{option}, which it needs in a VM: set CONFIG_{option}=y"
            )
        if value[1] == "m" and module not in there:
            raise VmError(
                f"its driver {module} is a module (CONFIG_{option}=m) and not there; {_advice(path)}"
            )


def _advice(path: Path) -> str:
    if path.is_dir():
        return "run make modules, or say where the modules are: --modules DIR"
    for pattern, package in _MODULE_PACKAGES:
        if match := pattern.match(path.name):
            return (
                f"add the package that has it: --modules {package.format(**match.groupdict())}{path.suffix}"
            )
    return "say where its modules are: --modules DIR or --modules PACKAGE"


def _store(members: Members) -> tuple[Path, bool]:
    """Store the files that a guest needs in the cache, under their digest, until this process ends."""
    room = cache.root() / "custom"
    with cache.lock("custom"):
        with cache.making(room / "new") as made:
            loop = packages.unpack(members, made)
            where = room / _digest(made)
            if cache.stored(where) is None:
                cache.settle(made, where, {"loop": loop})
        if not cache.hold(where):
            raise VmError(f"{where} was removed at this moment; try again")
        os.utime(where)
        cache.prune(room.glob("[!.]*"), KEEP)
    return where, loop


def _digest(directory: Path) -> str:
    files = [(path.name, cache.digest(path)) for path in sorted(directory.iterdir())]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()[:32]


def _labels(path: Path, release: str, digest: str) -> list[str]:
    """Return possible names for a kernel, best first; the last one is unique."""
    place = path.parents[3] if str(path).endswith(f"/{packages.BZIMAGE}") else path
    name = _plain(
        path.name if path.is_dir() else path.stem if packages.is_package(path) else release or path.name
    )
    name = name or "kernel"
    beside = _plain(place.name if place != path else path.parent.name)
    names = [name, f"{beside}-{name}", f"{name}-{digest[:8]}", f"{name[:60]}-{digest}"]
    return [label for label in names if LABEL.fullmatch(label) and not is_taken(label, release)]


def _plain(text: str) -> str:
    return _PATHLIKE.sub("_", text)[:80].strip(".")


def distinct(kernels: Iterable[Kernel]) -> list[Kernel]:
    """Return the kernels of a run: each content once, each with a unique name.

    Raises:
        VmError: two have the same label.
    """
    found: dict[Path, Kernel] = {}
    for kernel in kernels:
        first = found.setdefault(kernel.image, kernel)
        if first.origin != kernel.origin:
            print(
                f"fapitest: {kernel.origin} is the same kernel as {first.origin}; it is tested once",
                file=sys.stderr,
            )
        if first.other_names and not kernel.other_names:
            found[kernel.image] = kernel  # prefer the one with a label
    named = list(found.values())
    while clashes := {name for name, count in Counter(kernel.name for kernel in named).items() if count > 1}:
        if not any(kernel.name in clashes and kernel.other_names for kernel in named):
            twice = min(clashes)
            both = " and ".join(kernel.origin for kernel in named if kernel.name == twice)
            raise VmError(f"two kernels are called {twice}: {both}; give them names of their own: NAME=PATH")
        named = [_renamed(kernel) if kernel.name in clashes else kernel for kernel in named]
    return named


def _renamed(kernel: Kernel) -> Kernel:
    if not kernel.other_names:
        return kernel
    first, *others = kernel.other_names
    return dataclasses.replace(kernel, name=first, other_names=tuple(others))
