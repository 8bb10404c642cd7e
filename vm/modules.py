# SPDX-License-Identifier: GPL-2.0-or-later
"""Selects the kernel modules that a guest needs, without depmod and without root.

A module lists its dependencies in its ``.modinfo`` section (``depends=``, ``alias=``), and a kernel its built-in
modules in ``modules.builtin`` (Documentation/kbuild/kbuild.rst).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from vm.cpio import Archive
from vm.errors import VmError

BOOT = ("virtio_pci", "virtio_console", "loop")
"""Loaded by the guest's init, in this order."""

ON_DEMAND = (
    "ext4",
    "xfs",
    "btrfs",
    "overlay",
    "vfat",
    "nls_cp437",
    "nls_utf8",
    "nls_iso8859_1",
    "fuse",
    "crc32c",
    "crc32c_generic",
    "crc32c_cryptoapi",
)
"""Loaded by the kernel when a test first mounts such a file system."""


def _zstd(data: bytes) -> bytes:
    try:
        return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout
    except FileNotFoundError:
        raise VmError("the kernel's modules are compressed with zstd; install the package zstd") from None


DECOMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".xz": lzma.decompress,
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".zst": _zstd,
}
_MODULE = re.compile(r"(?P<name>[^/]+)\.ko(?P<compression>\.xz|\.gz|\.bz2|\.zst|)$")


@dataclass(frozen=True)
class Module:
    """One kernel module: its name, with underscores, and its uncompressed content."""

    name: str
    content: bytes

    def info(self, key: str) -> list[str]:
        """Return the values of one key of the module's ``.modinfo``."""
        return [value.decode() for value in re.findall(rb"\0%s=([^\0]*)" % key.encode(), self.content)]

    @property
    def depends(self) -> list[str]:
        """The names of the modules that must be loaded before this one."""
        return [name.replace("-", "_") for line in self.info("depends") for name in line.split(",") if name]

    @property
    def path(self) -> str:
        """The path of the module in the guest."""
        return f"/lib/modules/kernel/{self.name}.ko"


def is_extra(path: str) -> bool:
    """Return whether a module's path is in a directory for modules that do not belong to the kernel.

    Source: Documentation/kbuild/modules.rst, "Module Installation".
    """
    return not {"updates", "extra"}.isdisjoint(PurePosixPath(path).parts[:-1])


def module_name(path: str) -> str | None:
    """Return the name of the module at a path in a kernel's package, or None if it is another file."""
    match = _MODULE.search(path)
    return match["name"].replace("-", "_") if match else None


def load(path: str, data: bytes) -> Module:
    """Return the module at `path` with the content `data`, which may be compressed."""
    match = _MODULE.search(path)
    assert match, path
    return Module(match["name"].replace("-", "_"), DECOMPRESSORS[match["compression"]](data))


def closure(wanted: Iterable[str], read: Callable[[str], Module | None]) -> list[Module]:
    """Return the wanted modules and their dependencies, dependencies first.

    `read` returns a module by name, or None if it is built in or missing.
    """
    ordered: dict[str, Module] = {}

    def visit(name: str) -> None:
        if name in ordered or not (module := read(name)):
            return
        for needed in module.depends:
            visit(needed)
        ordered[name] = module

    for name in wanted:
        visit(name)
    return list(ordered.values())


def write(
    archive: Archive, release: str, read: Callable[[str], Module | None], extra: Iterable[str] = ()
) -> None:
    """Write the modules that the guest needs, and the tables that init and modprobe read, into `archive`.

    `extra` are the names of modules that do not belong to the kernel.
    """
    boot = closure(BOOT, read)
    modules = closure([*BOOT, *ON_DEMAND, *extra], read)
    for module in modules:
        archive.data(module.path, module.content)
    archive.data("/lib/modules/boot.order", "".join(f"{module.path}\n" for module in boot).encode())
    directory = PurePosixPath("/lib/modules") / release
    needs = {m.name: [n.path for n in reversed(closure([m.name], read)) if n.name != m.name] for m in modules}
    dependencies = "".join(f"{m.path}: {' '.join(needs[m.name])}".rstrip() + "\n" for m in modules)
    aliases = "".join(f"alias {alias} {m.name}\n" for m in modules for alias in m.info("alias"))
    archive.data(directory / "modules.dep", dependencies.encode())
    archive.data(directory / "modules.alias", aliases.encode())
    archive.data(directory / "modules.symbols", b"")
