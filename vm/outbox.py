# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on their way from the guest to the host: a tar stream on a virtio port, which survives the end of the VM."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path, PurePosixPath

PORTS = Path("/sys/class/virtio-ports")


class Outbox:
    """The guest's end."""

    def __init__(self, port: int) -> None:
        """Send to the open descriptor `port`."""
        self._port = port
        self._waiting = bytearray()

    def put(self, name: str, content: bytes) -> None:
        """Let a file of that name and content be sent with the next ones."""
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._waiting += member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)

    def send(self) -> None:
        """Send what was put in; returns when the host has it."""
        data = memoryview(bytes(self._waiting))
        self._waiting.clear()
        while data:
            data = data[os.write(self._port, data) :]


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
