# SPDX-License-Identifier: GPL-2.0-or-later
"""A user's own kernels: their names, their forms, and the messages for those that cannot boot."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vm import cache, image, kernels, own, packages
from vm.errors import VmError
from vm.tests import pieces
from vm.tests.pieces import RELEASE

INSTALLED = f"lib/modules/{RELEASE}"
DRIVER = {f"{INSTALLED}/kernel/virtio_console.ko": pieces.module("virtio_console")}
IMAGE = {f"boot/vmlinuz-{RELEASE}": pieces.image(), f"boot/config-{RELEASE}": pieces.config()}


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))


def names(*words):
    return [kernel.name for kernel in own.distinct(kernels.kernel(str(word)) for word in words)]


# --- labels ---


def test_two_trees_of_one_name_are_two_kernels(tmp_path):
    stock = pieces.tree(tmp_path / "stock/linux")
    patched = pieces.tree(tmp_path / "patched/linux", build="#2")
    found = own.distinct(kernels.kernel(str(tree)) for tree in (stock, patched))
    assert [kernel.name for kernel in found] == ["stock-linux", "patched-linux"]
    contents = [tree / packages.BZIMAGE for tree in (stock, patched)]
    assert [k.image.read_bytes() for k in found] == [path.read_bytes() for path in contents]


def test_where_directories_do_not_tell_kernels_apart_a_digest_does(tmp_path):
    one, other = (pieces.tree(tmp_path / n / "a/linux", build=n) for n in "12")
    labels = names(one, other)
    assert len(set(labels)) == 2
    assert all(re.fullmatch(r"linux-[0-9a-f]{8}", label) for label in labels)


def test_the_same_kernel_twice_is_one(tmp_path, capsys):
    one, copy = (pieces.tree(tmp_path / n / "linux") for n in "12")
    assert names(one, one, copy, f"mine={one}") == ["mine"]
    assert "is the same kernel as" in capsys.readouterr().err


def test_a_label_that_was_given_stays(tmp_path):
    one, other = (pieces.tree(tmp_path / n / "linux", build=n) for n in "12")
    assert names(one, f"linux={other}") == ["1-linux", "linux"]
    with pytest.raises(
        VmError, match=r"two kernels are called x: build tree .*1/linux and build tree .*2/linux"
    ):
        names(f"x={one}", f"x={other}")


def test_a_directory_called_as_a_series_is_not_that_series(tmp_path):
    assert names(pieces.tree(tmp_path / "mine/6.12")) == ["mine-6.12"]


@pytest.mark.parametrize(
    "label", ["6.12", "vm-6.12", "host", "ref-6.12", "ref-mine", "..", ".", "", "a b", "ü", "x" * 101]
)
def test_labels_that_are_refused(tmp_path, label):
    with pytest.raises(VmError, match="name") as raised:
        kernels.kernel(f"{label}={pieces.tree(tmp_path / 'linux')}")
    assert "\n" not in str(raised.value)


def test_a_path_with_an_equals_sign_is_a_path(tmp_path):
    assert names(pieces.tree(tmp_path / "a=b")) == ["a_b"]


@pytest.mark.parametrize("release", ["..", "../../x", "a/b", ".", "\x1b[2J"])
def test_a_release_that_leads_astray_is_refused(tmp_path, release):
    (cache.root() / "kept").touch()
    (tmp_path / "bzImage").write_bytes(pieces.image(release))
    with pytest.raises(VmError, match="is not a plain word"):
        kernels.kernel(str(tmp_path / "bzImage"))
    assert (cache.root() / "kept").exists()


# --- the cache ---

HOLDER = """
import sys
from vm import kernels
print(kernels.kernel(sys.argv[1]).image.parent, flush=True)
sys.stdin.read()
"""


def test_a_kernel_in_use_stays_until_its_run_ends_however_it_ends(tmp_path):
    command = [sys.executable, "-c", HOLDER, pieces.tree(tmp_path / "linux")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=image.PROJECT, stdin=pipe, stdout=pipe, text=True) as run:
        assert run.stdout
        entry = Path(run.stdout.readline().strip())
        cache.prune([entry], keep=0)
        assert cache.stored(entry)
        run.kill()
    cache.prune([entry], keep=0)
    assert not entry.exists()


def test_those_used_last_are_kept(tmp_path):
    entries = [cache.root() / "custom" / name for name in "abc"]
    for entry in entries:
        with cache.storing(entry, {}) as made:
            (made / "vmlinuz").touch()
    cache.prune(entries, keep=2)
    assert [entry.name for entry in entries if entry.exists()] == ["b", "c"]


# --- forms ---

PACKAGES = {
    "boot": IMAGE | DRIVER,
    "usr-merged": {f"usr/{path}": content for path, content in DRIVER.items()}
    | {f"usr/{INSTALLED}/vmlinuz": pieces.image(), f"usr/{INSTALLED}/config": pieces.config()},
    "binrpm-pkg": DRIVER | {f"{INSTALLED}/vmlinuz": pieces.image(), f"{INSTALLED}/config": pieces.config()},
}


@pytest.mark.parametrize("layout", PACKAGES)
@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_a_package(tmp_path, layout, kind):
    root = pieces.write(tmp_path / "root", PACKAGES[layout])
    made = (
        pieces.deb(tmp_path / "linux.deb", PACKAGES[layout])
        if kind == "deb"
        else pieces.rpm(tmp_path, "k", root)
    )
    kernel = kernels.kernel(str(made))
    assert kernel.image.read_bytes() == pieces.image()
    assert b"virtio_console.ko" in kernel.modules.read_bytes()


def test_a_kernel_in_several_packages(tmp_path):
    core = pieces.deb(tmp_path / "linux-binary-6.99_1.deb", IMAGE)
    drivers = pieces.deb(tmp_path / "linux-modules-6.99_1.deb", DRIVER)
    more = pieces.deb(tmp_path / "more.deb", {f"{INSTALLED}/kernel/loop.ko": pieces.module("loop")})
    assert kernels.kernel(str(core), modules=[drivers, more]).loop
    with pytest.raises(VmError, match=r"CONFIG_VIRTIO_CONSOLE=m\).*--modules linux-modules-6\.99\.deb"):
        kernels.kernel(str(core))


HOLDS = {
    "modules": (DRIVER, rf"holds no boot image \(vmlinuz\), but 1 module of {RELEASE}"),
    "nothing": ({"usr/share/doc/x": b""}, "and nothing else of a kernel either"),
    "two kernels": (IMAGE | {"boot/vmlinuz-7.0": pieces.image("7.0")}, rf"several kernels: {RELEASE}, 7\.0"),
    "no bzImage": ({"boot/vmlinuz-1": b"MZ" + bytes(0x300)}, "boot/vmlinuz-1 is not a boot image"),
}


@pytest.mark.parametrize("case", HOLDS)
def test_what_a_package_without_a_kernel_holds_is_told(tmp_path, case):
    files, message = HOLDS[case]
    with pytest.raises(VmError, match=message):
        kernels.kernel(str(pieces.deb(tmp_path / "linux.deb", files)))


@pytest.mark.parametrize("given", [INSTALLED, "lib/modules", "."])
def test_an_image_with_the_modules_of_its_release(tmp_path, given):
    older = {"lib/modules/5.0/kernel/loop.ko": pieces.module("loop", "5.0")}
    root = pieces.write(tmp_path / "root", DRIVER | older | IMAGE)
    kernel = kernels.kernel(f"{root}/boot/vmlinuz-{RELEASE}", modules=[root / given])
    assert (b"virtio_console.ko" in kernel.modules.read_bytes(), kernel.loop) == (True, False)


def test_modules_of_another_kernel_are_refused(tmp_path):
    tree = pieces.tree(tmp_path / "linux")
    (tree / "drivers/virtio_console.ko").write_bytes(pieces.module("virtio_console", "6.98"))
    with pytest.raises(VmError, match=rf"is of 6\.98 and the kernel is {RELEASE}"):
        kernels.kernel(str(tree))


def test_a_tree_has_the_modules_of_its_last_build(tmp_path):
    """make bindeb-pkg leaves copies below the tree, which may be from an older build."""
    tree = pieces.tree(tmp_path / "linux")
    stale = pieces.module("virtio_console", "6.1")
    pieces.write(tree, {f"{copy}/virtio_console.ko": stale for copy in ("a", "debian/x", "z")})
    assert b"vermagic=6.1 " not in kernels.kernel(str(tree)).modules.read_bytes()


LACKS = {
    "modules not built": (
        ["VIRTIO_CONSOLE"],
        "m",
        r"virtio_console is a module .*run make modules, or .*--modules DIR",
    ),
    "driver": (["VIRTIO_PCI"], None, "built without CONFIG_VIRTIO_PCI"),
    "console": (["SERIAL_8250_CONSOLE"], "m", "built without CONFIG_SERIAL_8250_CONSOLE"),
    "initramfs": (["BLK_DEV_INITRD"], None, "set CONFIG_BLK_DEV_INITRD=y"),
}


@pytest.mark.parametrize("case", LACKS)
def test_what_a_guest_would_miss_is_told_before_it_boots(tmp_path, case):
    options, value, message = LACKS[case]
    tree = pieces.tree(
        tmp_path / "linux", modules=(), **{"VIRTIO_CONSOLE": "y"} | dict.fromkeys(options, value)
    )
    with pytest.raises(VmError, match=message):
        kernels.kernel(str(tree))


# --- whose modules ---


@pytest.mark.parametrize(
    ("kernel", "given", "mine"),
    [(0, [(1, "x"), (1, "y"), (2, "z")], ["x", "y"]), (1, [(1, "x"), (2, "z")], ["z"])],
)
def test_modules_belong_to_the_kernel_before_them(kernel, given, mine):
    assert list(map(str, own.modules_of(kernel, ["A", "B"], given))) == mine


def test_modules_before_the_only_kernel_are_its_own():
    assert list(map(str, own.modules_of(0, ["A"], [(0, "x")]))) == ["x"]
    with pytest.raises(VmError, match="--modules x: say for which kernel"):
        own.modules_of(0, ["A", "B"], [(0, "x")])


def test_modules_for_a_kernel_of_the_catalogue_are_refused(tmp_path, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(VmError, match=r"6\.12 comes with its modules"):
        kernels.kernel("6.12", modules=[tmp_path])
