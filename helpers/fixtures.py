# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: directories and files that any user may read, on several filesystems; `answer` and `undecided`."""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from helpers import changes, filesystems, proposals
from helpers.requirements import requires

Filesystems: TypeAlias = Callable[[str], Path]


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A new directory that any user may enter and list; only the owner may enter pytest's tmp_path."""
    with tempfile.TemporaryDirectory(prefix="fapitest-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture
@requires(fs="ext4")
def ext4_dir(_filesystems: Filesystems) -> Iterator[Path]:
    """A new directory on ext4 that any user may enter and list.

    Every kernel can report file handles of ext4; of tmpfs, only since 5.13.
    """
    yield from _fresh(_filesystems("ext4"))


@pytest.fixture
def file(public_dir: Path) -> Path:
    """A file with content, which everybody may read."""
    return _with_content(public_dir / "file")


@pytest.fixture
def ext4_file(ext4_dir: Path) -> Path:
    """A file with content on ext4, which everybody may read; see `ext4_dir`."""
    return _with_content(ext4_dir / "file")


@pytest.fixture(params=filesystems.DISK_FILESYSTEMS)
@requires(fs=lambda disk_dir: disk_dir)
def disk_dir(_filesystems: Filesystems, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A new directory on each disk filesystem in turn."""
    yield from _fresh(_filesystems(request.param))


@pytest.fixture(params=filesystems.FILESYSTEMS)
def filesystem(request: pytest.FixtureRequest) -> str:
    """The name of each filesystem in turn."""
    return str(request.param)


@pytest.fixture
@requires(fs=lambda filesystem: filesystem)
def filesystem_dir(_filesystems: Filesystems, filesystem: str) -> Iterator[Path]:
    """A new directory on `filesystem`."""
    yield from _fresh(_filesystems(filesystem))


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> object:
    """What the kernel must answer, where that has changed: see helpers.changes."""
    return changes.here(request.node)


@pytest.fixture
def undecided(request: pytest.FixtureRequest) -> None:
    """Allow the test to fail, except on the reference kernel: the proposal leaves the behaviour open."""
    if not proposals.is_reference():
        reason = "the proposal leaves this open"
        request.node.add_marker(pytest.mark.xfail(raises=AssertionError, strict=False, reason=reason))


@pytest.fixture(scope="session")
def _filesystems() -> Iterator[Filesystems]:
    """Make and mount each filesystem when it is first used, and keep it for the session."""
    with contextlib.ExitStack() as undo:
        directory = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="fapitest-")))
        directory.chmod(0o755)

        @functools.cache
        def made(kind: str) -> Path:
            match kind:
                case "tmpfs":
                    return undo.enter_context(filesystems.mounted(kind, directory / kind, kind))
                case "btrfs-subvolume":
                    return filesystems.subvolume(made("btrfs") / kind)
                case "overlay":
                    return undo.enter_context(filesystems.overlay(made("ext4") / kind, directory / kind))
                case _:
                    return undo.enter_context(filesystems.disk(directory, kind))

        yield made


def _with_content(file: Path) -> Path:
    file.write_text("content", encoding="ascii")
    return file


def _fresh(mount_point: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(dir=mount_point))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
