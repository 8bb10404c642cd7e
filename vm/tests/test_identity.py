# SPDX-License-Identifier: GPL-2.0-or-later
"""The identity of kernels in the manifest of a run."""

import hashlib
import os

import pytest

from helpers.contract.manifest import Kernel as Identity
from vm import identity
from vm.bootimage import Kernel, image_version
from vm.tests import pieces


@pytest.fixture
def kernel(tmp_path):
    (tmp_path / "vmlinuz").write_bytes(pieces.image())
    (tmp_path / "config").write_bytes(pieces.config())
    packages = {"version": "6.99-1", "names": "linux-image linux-modules"}
    return Kernel(
        "mine",
        tmp_path / "vmlinuz",
        tmp_path / "modules.cpio",
        loop=True,
        origin="",
        packages=packages,
        given="~/k",
    )


def test_a_kernel_is_its_content(kernel):
    assert identity.of(kernel, "tcg") == Identity(
        name="mine",
        release=pieces.RELEASE,
        version="#1 SMP",
        packages={"linux-image": "6.99-1", "linux-modules": "6.99-1"},
        image=hashlib.sha256(pieces.image()).hexdigest(),
        config=hashlib.sha256(pieces.config()).hexdigest(),
        architecture="x86_64",
        path="~/k",
        accel="tcg",
    )


def test_a_kernel_without_its_configuration(kernel):
    kernel.image.with_name("config").unlink()
    assert identity.of(kernel, "tcg").config == ""


@pytest.mark.parametrize(("offset", "version"), [(0, ""), (0xFFFF, "")], ids=["none", "beyond the image"])
def test_an_image_that_names_no_version(tmp_path, offset, version):
    content = bytearray(pieces.image())
    content[0x20E:0x210] = offset.to_bytes(2, "little")
    (tmp_path / "vmlinuz").write_bytes(content)
    assert image_version(tmp_path / "vmlinuz") == version


def test_the_running_kernel():
    found = identity.running("host", "none")
    uname = os.uname()
    assert (found.release, found.version, found.architecture) == (uname.release, uname.version, uname.machine)
    assert found.hostname
    assert len(found.config) in (0, 64)
