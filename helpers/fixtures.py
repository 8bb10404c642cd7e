# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories for tests: one that every user may enter, and one on a filesystem with file handles."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import filesystems


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A fresh directory which everybody may enter and list; pytest's own tmp_path is for its owner alone."""
    with tempfile.TemporaryDirectory(prefix="fapitest-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture
def ext4_dir(_ext4: Path) -> Iterator[Path]:
    """A fresh directory on ext4 which everybody may enter and list.

    File handles are reported of ext4 on every kernel, of tmpfs only since 5.13.
    """
    directory = Path(tempfile.mkdtemp(dir=_ext4))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def _ext4() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fapitest-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with filesystems.disk(directory, "ext4") as mount_point:
            yield mount_point
