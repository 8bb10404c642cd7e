# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes initramfs archives (the kernel's "newc" cpio format) without root.

The kernel unpacks concatenated archives, so each of ours is padded to a 512-byte boundary.
Source: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Self

_BLOCK = 512


class Archive:
    """A cpio archive that is being written; parent directories of a member are added automatically."""

    def __init__(self, out: IO[bytes]) -> None:
        """Write to `out`, a binary file at its start."""
        self._out = out
        self._members: set[PurePosixPath] = {PurePosixPath("/")}

    def __enter__(self) -> Self:
        """Return the archive itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the trailer, unless writing the archive failed."""
        if kind is None:
            self._header("TRAILER!!!", mode=0, links=1)
            self._pad(_BLOCK)

    def __contains__(self, path: str | PurePosixPath) -> bool:
        """Return whether `path` is already a member."""
        return PurePosixPath(path) in self._members

    def directory(self, path: str | PurePosixPath, mode: int = 0o755) -> None:
        """Add the directory `path` and those above it."""
        if self._new(path):
            self._header(str(path), mode=stat.S_IFDIR | mode, links=2)

    def data(self, path: str | PurePosixPath, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file with this content."""
        if self._new(path):
            self._header(str(path), mode=stat.S_IFREG | mode, size=len(content))
            self._out.write(content)
            self._pad(4)

    def file(self, path: str | PurePath, source: Path) -> None:
        """Add a copy of the host's file `source`, links followed, with its permissions and its time."""
        if self._new(path):
            with source.open("rb") as content:
                status = os.fstat(content.fileno())
                mode = stat.S_IFREG | (0o755 if status.st_mode & 0o100 else 0o644)
                self._header(str(path), mode=mode, size=status.st_size, mtime=int(status.st_mtime))
                shutil.copyfileobj(content, self._out)
            self._pad(4)

    def symlink(self, path: str | PurePosixPath, target: str) -> None:
        """Add a symbolic link to `target`."""
        if self._new(path):
            content = os.fsencode(target)
            self._header(str(path), mode=stat.S_IFLNK | 0o777, size=len(content))
            self._out.write(content)
            self._pad(4)

    def character_device(self, path: str | PurePosixPath, major: int, minor: int) -> None:
        """Add a character device node: a header in the archive, which needs no root to write."""
        if self._new(path):
            self._header(str(path), mode=stat.S_IFCHR | 0o600, device=(major, minor))

    def _new(self, path: str | PurePath) -> bool:
        path = PurePosixPath("/") / path
        if path in self._members:
            return False
        self._members.add(path)
        self.directory(path.parent)
        return True

    def _header(
        self,
        name: str,
        *,
        mode: int,
        size: int = 0,
        links: int = 1,
        mtime: int = 0,
        device: tuple[int, int] = (0, 0),
    ) -> None:
        encoded = os.fsencode(name.lstrip("/")) + b"\0"
        fields = (0, mode, 0, 0, links, mtime, size, 0, 0, *device, len(encoded), 0)
        self._out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        self._pad(4)

    def _pad(self, boundary: int) -> None:
        self._out.write(b"\0" * (-self._out.tell() % boundary))
