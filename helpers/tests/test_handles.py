# SPDX-License-Identifier: GPL-2.0-or-later
"""Handles lead back to what they were made of."""

import os
from pathlib import Path

import pytest

from helpers import filesystems
from helpers.handles import fsid, name_to_handle, open_by_handle

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="opening by handle needs root")


def test_handle_leads_back(tmp_path: Path) -> None:
    with filesystems.disk(tmp_path, "ext4") as mount_point:
        file = mount_point / "file"
        file.touch()
        fd = open_by_handle(mount_point, name_to_handle(file))
        assert os.fstat(fd).st_ino == file.stat().st_ino
        os.close(fd)
        assert fsid(file) == fsid(mount_point) != fsid(tmp_path)
