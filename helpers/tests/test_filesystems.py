# SPDX-License-Identifier: GPL-2.0-or-later
"""Filesystems are made, mounted, and gone afterwards."""

import os
from pathlib import Path

import pytest

from helpers import filesystems
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


def test_a_mount_that_fails_otherwise_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="ENOENT"),
        filesystems.mounted("/no such device", tmp_path, "ext4"),
    ):
        pass
