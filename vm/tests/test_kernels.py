# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels by name and by path, and the messages for those that cannot be fetched."""

import re

import pytest

from vm import archive, bootimage, catalogue, kernels
from vm.archive import Package
from vm.errors import VmError
from vm.tests.pieces import image

FILES = {
    "text": (b"not a kernel", "is not a boot image"),
    "empty": (b"", "is not a boot image"),
    "short": (image()[:0x205], "is not a boot image"),
    "arm64": (b"MZ" + bytes(0x36) + b"ARM\x64" + bytes(0x200), "is a kernel for arm64"),
    "vmlinux": (
        b"\x7fELF" + bytes(14) + b"\x3e\0" + bytes(0x200),
        r"is an ELF file \(x86-64\).*give the bzImage",
    ),
    "vmlinux-arm64": (b"\x7fELF" + bytes(14) + b"\xb7\0" + bytes(0x200), r"is an ELF file \(arm64\)"),
    "damaged.deb": (b"!<arch>\ndebian-binary", "not a package that can be read"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_kernel_is_told(tmp_path, name, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    content, message = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VmError, match=message):
        kernels.kernel(str(tmp_path / name))


def test_the_release_is_read_from_the_image(tmp_path):
    (tmp_path / "bzImage").write_bytes(image())
    bootimage.check_image(tmp_path / "bzImage")
    assert bootimage.image_release(tmp_path / "bzImage") == "6.99-test"


def test_a_bare_image_is_a_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bzImage").write_bytes(image())
    kernel = kernels.kernel(str(tmp_path / "bzImage"))
    assert (kernel.name, kernel.loop, kernel.key) == ("6.99-test", False, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("9.9", "unknown kernel '9.9'; known are 5.10, 6.1"),
        ("vm-6.21", "unknown kernel 'vm-6.21'; is 6.1 meant? known are"),
        ("ref-5.10", "unknown kernel 'ref-5.10'"),
        ("ref-7.2-debgu", "is ref-7.2-debug meant? known are 5.10, 6.1"),
        ("nothing", "ref-6.12, ref-6.12-debug, ref-7.2, ref-7.2-debug, or the path of a kernel of yours"),
        ("", "--kernel '': name a series, such as 6.12, or the path of a kernel of yours"),
        ("a=", "--kernel a=: no path stands behind the =; write NAME=PATH"),
        ("../x=FILE", "--kernel ../x=FILE: there is no such file or directory; a NAME before = has no /"),
        ("./bzImage-nowhere", "there is no such file"),
        ("nowhere.deb", "there is no such file"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(VmError, match=re.escape(message)):
        kernels.kernel(name)


def test_a_tree_that_is_not_built(tmp_path):
    with pytest.raises(VmError, match="run make there first"):
        kernels.kernel(str(tmp_path))


def test_missing_module_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bzImage").write_bytes(image())
    with pytest.raises(VmError, match="nowhere: there is no such file or directory"):
        kernels.kernel(str(tmp_path / "bzImage"), modules=[tmp_path / "nowhere"])


NAMES = {
    "linux-image-5.10.0-46-cloud-amd64": ["5.10"],
    "linux-image-6.12.117+deb13-cloud-amd64": ["6.12"],
    "linux-image-6.12.117+deb13-cloud-amd64-unsigned": ["6.12"],
    "linux-image-6.1.0-56-cloud-amd64": ["6.1"],
    "linux-binary-7.2.13+deb14-cloud-amd64": ["7.2"],
    "linux-binary-unsigned-7.3.4+deb13-cloud-amd64": ["7.3"],
    "linux-binary-7.3-cloud-amd64": ["7.3"],
    "linux-binary-7.2.13+deb14-amd64": [],
    "linux-image-6.12.117+deb13-cloud-amd64-dbg": [],
    "linux-headers-6.12.117+deb13-cloud-amd64": [],
}


@pytest.mark.parametrize("name", NAMES)
def test_packages_belong_to_one_series(name):
    patterns = {
        s: catalogue.PACKAGE.format(series=re.escape(s), flavour=catalogue.FLAVOUR) for s in catalogue.SERIES
    }
    assert [series for series, pattern in patterns.items() if re.fullmatch(pattern, name)] == NAMES[name]


def package(version, name="linux-image"):
    return Package("sid", name, version, "")


def test_the_newest_is_newest_by_debians_rules():
    versions = ["7.3~rc7-1~exp1", "7.3.4-1~bpo13+1", "7.3.4-1", "7.2.13-1"]
    assert archive.newest(map(package, versions)) == package("7.3.4-1")


def test_of_two_alike_the_signed_one_is_taken():
    signed, unsigned = package("1", "linux-image-1"), package("1", "linux-image-1-unsigned")
    assert archive.newest([unsigned, signed]) == archive.newest([signed, unsigned]) == signed


def test_a_series_that_the_archive_no_longer_has(monkeypatch):
    monkeypatch.setitem(catalogue.SERIES, "4.19", ("trixie-backports",))
    with pytest.raises(VmError, match=r"no 4\.19 kernel any more .*; the newest there is linux-\S+ \d"):
        kernels.latest("4.19")
