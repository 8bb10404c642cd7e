# SPDX-License-Identifier: GPL-2.0-or-later
"""Filesystems are made, mounted, and removed afterwards."""

import os
from pathlib import Path

import pytest

from helpers import filesystems
from helpers.descriptors import open_descriptors
from helpers.skips import TypedSkip

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.mark.parametrize("kind", filesystems.DISK_FILESYSTEMS)
def test_disk_is_mounted_and_gone_afterwards(tmp_path: Path, kind: str) -> None:
    with filesystems.disk(tmp_path, kind) as directory:
        (directory / "file").write_text("content")
        assert directory.is_mount()
    assert not directory.is_mount()


def test_a_filesystem_the_kernel_lacks_is_a_typed_skip(tmp_path: Path) -> None:
    with (
        pytest.raises(TypedSkip, match="this kernel has no nosuchfs"),
        filesystems.mounted("none", tmp_path, "nosuchfs"),
    ):
        pass


@pytest.mark.parametrize(("kind", "there"), [("tmpfs", [True]), ("nosuchfs", [False])])
def test_a_filesystem_is_known_without_mounting_it(kind: str, there: list[bool]) -> None:
    before = open_descriptors()
    assert [filesystems.is_known(kind)] == there
    assert open_descriptors() == before


@pytest.mark.parametrize("name", filesystems.FILESYSTEMS)
def test_filesystems_are_made_of_those_of_the_kernel(name: str) -> None:
    assert all(map(filesystems.is_known, filesystems.made_of(name)))


def test_a_mount_that_fails_otherwise_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="ENOENT"),
        filesystems.mounted("/no such device", tmp_path, "ext4"),
    ):
        pass


def test_a_subvolume_is_a_device_of_its_own(tmp_path: Path) -> None:
    with filesystems.disk(tmp_path, "btrfs") as volume:
        subvolume = filesystems.subvolume(volume / "subvolume")
        assert subvolume.is_dir()
        assert subvolume.stat().st_dev != volume.stat().st_dev


def test_an_overlay_shows_its_lower_layer_and_writes_to_its_upper_one(tmp_path: Path) -> None:
    with (
        filesystems.disk(tmp_path, "ext4") as layers,
        filesystems.overlay(layers / "layers", tmp_path / "merged") as merged,
    ):
        (layers / "layers/lower/below").touch()
        (merged / "file").touch()
        assert sorted(path.name for path in merged.iterdir()) == ["below", "file"]
        assert (layers / "layers/upper/file").exists()


def test_the_mount_of_a_path(tmp_path: Path) -> None:
    outside = filesystems.mount_id(tmp_path)
    with filesystems.mounted("none", tmp_path / "inside", "tmpfs") as inside:
        (inside / "directory").mkdir()
        assert filesystems.mount_point(inside / "directory") == inside
        assert os.makedev(*filesystems.device_number(inside / "directory")) == inside.stat().st_dev
        assert filesystems.mount_id(inside / "directory") == filesystems.mount_id(inside) != outside
