# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules are found with their dependencies, whatever their compression."""

import bz2
import gzip
import io
import lzma
import subprocess

import pytest

from vm import modules, tools
from vm.cpio import Archive


def module(name, depends="", *aliases):
    info = [f"depends={depends}", *(f"alias={alias}" for alias in aliases), f"name={name}"]
    return modules.Module(name, b"\x7fELF\0" + b"\0".join(line.encode() for line in info) + b"\0")


KERNEL = {
    "loop": module("loop"),
    "virtio_console": module("virtio_console", "virtio,virtio-ring"),
    "virtio": module("virtio"),
    "virtio_ring": module("virtio_ring", "virtio"),
    "xfs": module("xfs", "libcrc32c", "fs-xfs"),
    "libcrc32c": module("libcrc32c", ""),
}


def test_dependencies_come_first():
    names = [m.name for m in modules.closure(["virtio_console", "loop"], KERNEL.get)]
    assert names == ["virtio", "virtio_ring", "virtio_console", "loop"]


def test_what_is_built_in_is_left_out():
    assert modules.closure(["ext4"], KERNEL.get) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("./usr/lib/modules/6.1/kernel/fs/nls/nls_iso8859-1.ko.xz", "nls_iso8859_1"),
        ("lib/modules/x/loop.ko", "loop"),
        ("lib/modules/x/loop.ko.zst", "loop"),
        ("boot/config-6.1", None),
        ("lib/modules/x/loop.kox", None),
    ],
)
def test_names_of_modules(path, name):
    assert modules.module_name(path) == name


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("", bytes),
        (".xz", lzma.compress),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (
            ".zst",
            lambda data: (
                subprocess.run(
                    [tools.path("zstd"), "-cq"], input=data, capture_output=True, check=True
                ).stdout
            ),
        ),
    ],
)
def test_compressed_modules(ending, compress):
    if ending == ".zst" and not tools.find("zstd"):
        pytest.skip("no zstd on this machine to make a compressed module with")
    content = KERNEL["xfs"].content
    assert modules.load(f"kernel/xfs.ko{ending}", compress(content)) == modules.Module("xfs", content)


def test_tables_that_modprobe_reads(tmp_path):
    out = io.BytesIO()
    with Archive(out) as archive:
        modules.write(archive, "6.1", KERNEL.get)
    subprocess.run(
        [tools.path("busybox"), "cpio", "-idu"],
        input=out.getvalue(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    tables = tmp_path / "lib/modules/6.1"
    assert (
        "/lib/modules/kernel/xfs.ko: /lib/modules/kernel/libcrc32c.ko\n"
        in (tables / "modules.dep").read_text()
    )
    assert (tables / "modules.alias").read_text() == "alias fs-xfs xfs\n"
    boot = (tmp_path / "lib/modules/boot.order").read_text().splitlines()
    assert boot == [
        f"/lib/modules/kernel/{n}.ko" for n in ("virtio", "virtio_ring", "virtio_console", "loop")
    ]
