# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on their way from the guest to the host: a tar stream on a virtio port, which survives the end of the VM."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path, PurePosixPath

PORTS = Path("/sys/class/virtio-ports")


class Outbox:
    """The guest's end: a directory whose files are sent to the host."""

    def __init__(self, directory: Path, port: int) -> None:
        """Send the files of `directory` to the open descriptor `port`."""
        self.directory = directory
        self._port = port

    def send(self) -> None:
        """Send the files that are there and remove them; returns when the host has them."""
        paths = [os.path.join(place, name) for place, _, names in os.walk(self.directory) for name in names]  # noqa: PTH118
        if not paths:
            return
        packed = io.BytesIO()
        # This happens after every test, under emulation: names and contents are all that the host needs.
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in paths:
                member = tarfile.TarInfo(path[len(str(self.directory)) + 1 :])
                with open(path, "rb") as content:  # noqa: PTH123  pathlib costs more than the test
                    member.size = os.fstat(content.fileno()).st_size
                    archive.addfile(member, content)
        data = memoryview(packed.getbuffer())
        while data:
            data = data[os.write(self._port, data) :]
        for path in paths:
            os.unlink(path)  # noqa: PTH108


def guest_port(name: str) -> int | None:
    """Open the guest's virtio port called `name`, or return None when there is none: not in a VM of ours."""
    for entry in PORTS.glob("*") if PORTS.is_dir() else ():
        if (entry / "name").read_text().strip() == name:
            return os.open(f"/dev/{entry.name}", os.O_WRONLY | os.O_CLOEXEC)
    return None


def _stays_inside(name: str) -> bool:
    """Whether a member's name does not lead out of the directory that it is unpacked to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def unpack(stream: Path, directory: Path) -> None:
    """Unpack, on the host, what a guest has sent; a member cut off by the end of the VM is left out.

    When there is no room for it, the stream stays where it is.
    """
    if not stream.exists():
        return
    try:
        with tarfile.open(stream, ignore_zeros=True) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content and _stays_inside(member.name):
                    path = directory / member.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read())
    except (tarfile.TarError, EOFError):
        pass
    except OSError as error:
        print(f"fapitest: {stream} can not be unpacked: {error.strerror or error}", file=sys.stderr)
        return
    stream.unlink()
