# SPDX-License-Identifier: GPL-2.0-or-later
"""A handle opens the object that it was made from."""

import os
from pathlib import Path

import pytest

from helpers import filesystems
from helpers.handles import fd_to_handle, fsid, name_to_handle, open_by_handle, open_by_handle_at

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="opening by handle needs root")


def test_handle_leads_back(tmp_path: Path) -> None:
    with filesystems.disk(tmp_path, "ext4") as mount_point:
        file = mount_point / "file"
        file.touch()
        fd = open_by_handle(mount_point, name_to_handle(file))
        assert os.fstat(fd).st_ino == file.stat().st_ino
        os.close(fd)
        assert fsid(file) == fsid(mount_point) != fsid(tmp_path)


def test_handle_of_a_descriptor(tmp_path: Path) -> None:
    with filesystems.disk(tmp_path, "ext4") as mount_point:
        fd = os.open(mount_point, os.O_RDONLY)
        assert fd_to_handle(fd) == name_to_handle(mount_point)
        copy = open_by_handle_at(fd, fd_to_handle(fd))
        assert os.path.sameopenfile(fd, copy)
        os.close(fd)
        os.close(copy)
