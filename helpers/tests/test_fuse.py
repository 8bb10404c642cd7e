# SPDX-License-Identifier: GPL-2.0-or-later
"""The filesystem without an fsid can be read, and is unmounted afterwards."""

import os
from pathlib import Path

import pytest

from helpers.fuse import FILES, fuse
from helpers.handles import fsid, name_to_handle

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def test_files_can_be_opened_and_are_empty(tmp_path: Path) -> None:
    with fuse(tmp_path / "fuse") as directory:
        assert [(directory / name).read_bytes() for name in FILES] == [b"", b""]
        assert list(directory.iterdir()) == []
        assert not (directory / "nothing").exists()
    assert not directory.is_mount()


def test_it_has_file_handles_and_no_filesystem_id(tmp_path: Path) -> None:
    with fuse(tmp_path / "fuse") as directory:
        assert fsid(directory) == (0, 0)
        assert name_to_handle(directory / FILES[0]) != name_to_handle(directory / FILES[1])
