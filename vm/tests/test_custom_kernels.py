# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of a user's own: a package, a bare image with its modules, and a built tree, all really booted."""

import subprocess

import pytest

from vm import kernels
from vm.archive import Suite
from vm.tests import sessions

pytestmark = pytest.mark.timeout(300)
SMALL = f"{sessions.FAULTS}/complaint.py"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Debian's 5.10 package, whose virtio drivers are modules: a kernel that needs them."""
    suite = Suite("bullseye-security")
    suite.update()
    name = kernels.latest("5.10").name
    return suite.download([name], tmp_path_factory.mktemp("package"), lambda *_: None)[0]


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    directory = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    return directory


@pytest.fixture(scope="module")
def tree(unpacked, tmp_path_factory):
    """What a built kernel tree has of a kernel: its image where make leaves it, its modules beside their sources."""
    tree = tmp_path_factory.mktemp("linux")
    image = tree / "arch/x86/boot/bzImage"
    image.parent.mkdir(parents=True)
    image.write_bytes(next((unpacked / "boot").glob("vmlinuz-*")).read_bytes())
    for module in (unpacked / "lib/modules").rglob("*.ko"):
        if module.stem in ("virtio", "virtio_ring", "virtio_pci", "virtio_console", "loop"):
            (tree / module.name).write_bytes(module.read_bytes())
    return tree


@pytest.mark.parametrize("kind", ["package", "image", "tree"])
def test_it_boots_and_runs_tests(kind, package, unpacked, tree, tmp_path):
    image = next((unpacked / "boot").glob("vmlinuz-*"))
    options = {
        "package": ["--kernel", str(package)],
        "image": ["--kernel", str(image), "--modules", str(unpacked / "lib/modules")],
        "tree": ["--kernel", str(tree)],
    }[kind]
    session = sessions.run(*options, SMALL, results=tmp_path / "out")
    assert [r["status"] for r in session.records()] == ["pass", "fail", "pass", "pass"], session.output
