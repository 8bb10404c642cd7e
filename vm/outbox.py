# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on their way from the guest to the host: a tar stream on a virtio port, which survives the end of the VM."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

PORTS = Path("/sys/class/virtio-ports")


class Outbox:
    """The guest's end: a directory whose new files are sent to the host."""

    def __init__(self, directory: Path, port: int) -> None:
        """Send the files of `directory` to the open descriptor `port`."""
        self.directory = directory
        self._port = port
        self._sent: set[Path] = set()

    def send(self) -> None:
        """Send the files that are new; returns when the host has them."""
        new = sorted(path for path in self.directory.rglob("*") if path.is_file() and path not in self._sent)
        if not new:
            return
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in new:
                archive.add(path, path.relative_to(self.directory))
        data = memoryview(packed.getbuffer())
        while data:
            data = data[os.write(self._port, data) :]
        self._sent.update(new)


def guest_port(name: str) -> int | None:
    """Open the guest's virtio port called `name`, or return None when there is none: not in a VM of ours."""
    for entry in PORTS.glob("*") if PORTS.is_dir() else ():
        if (entry / "name").read_text().strip() == name:
            return os.open(f"/dev/{entry.name}", os.O_WRONLY | os.O_CLOEXEC)
    return None


def unpack(stream: Path, directory: Path) -> None:
    """Unpack, on the host, what a guest has sent; a member cut off by the end of the VM is left out."""
    if not stream.exists():
        return
    try:
        with tarfile.open(stream, ignore_zeros=True) as archive:
            for member in archive:
                archive.extract(member, directory, filter="data")
    except (tarfile.TarError, EOFError):
        pass
    stream.unlink()
