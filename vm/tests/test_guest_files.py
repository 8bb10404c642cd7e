# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of its kernel that a guest gets, other than modules."""

import subprocess

import pytest

from vm.bootimage import Kernel
from vm.machine import Machine
from vm.tests import pieces


@pytest.fixture
def kernel(tmp_path):
    for name, content in {"vmlinuz": pieces.image(), "config": pieces.config(KCMP="y")}.items():
        (tmp_path / name).write_bytes(content)
    return Kernel("mine", tmp_path / "vmlinuz", tmp_path / "modules.cpio", loop=True, origin="")


def unpacked(kernel, directory):
    """Return a directory with the files that a guest of this kernel unpacks from its order."""
    archive = Machine(kernel, accel="tcg", directory=directory).order().partition(b"\n")[2]
    directory.mkdir()
    subprocess.run(
        ["busybox", "cpio", "-idmu"], input=archive, cwd=directory, check=True, capture_output=True
    )
    return directory


def test_configuration_lies_where_a_distribution_keeps_it(kernel, tmp_path):
    guest = unpacked(kernel, tmp_path / "guest")
    assert "CONFIG_KCMP=y" in (guest / f"boot/config-{pieces.RELEASE}").read_text()


@pytest.mark.parametrize("lost", ["config", "release"])
def test_where_there_is_none_to_be_had(kernel, tmp_path, lost):
    if lost == "config":
        (tmp_path / "config").unlink()
    else:
        (tmp_path / "vmlinuz").write_bytes(bytes(0x400))
    assert not (unpacked(kernel, tmp_path / "guest") / "boot").exists()
