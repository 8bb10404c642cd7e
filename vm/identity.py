# SPDX-License-Identifier: GPL-2.0-or-later
"""The identity of a kernel, which is its content, for the manifest of a run."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path

from helpers.contract import manifest
from vm.bootimage import Kernel, image_release, image_version

ARCHITECTURE = "x86_64"
"""The architecture of the kernels that can be booted; see vm/bootimage.py."""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def of(kernel: Kernel, accel: str) -> manifest.Kernel:
    """Return the identity of a kernel that will be booted. Raises OSError."""
    config = kernel.image.with_name("config")
    version = kernel.packages.get("version", "")
    return manifest.Kernel(
        name=kernel.name,
        release=image_release(kernel.image),
        version=image_version(kernel.image),
        packages=dict.fromkeys(kernel.packages.get("names", "").split(), version),
        image=digest(kernel.image),
        config=digest(config) if config.is_file() else "",
        architecture=ARCHITECTURE,
        path=kernel.given,
        accel=accel,
    )


def running(name: str, accel: str) -> manifest.Kernel:
    """Return the identity of the running kernel, as far as it is known."""
    uname = os.uname()
    config = _running_config(uname.release)
    return manifest.Kernel(
        name=name,
        release=uname.release,
        version=uname.version,
        image=_running_image(uname.release),
        config=hashlib.sha256(config).hexdigest() if config else "",
        architecture=uname.machine,
        accel=accel,
        hostname=socket.gethostname(),
    )


def _running_config(release: str) -> bytes:
    with suppress(OSError, EOFError):
        return gzip.decompress(Path("/proc/config.gz").read_bytes())
    with suppress(OSError):
        return Path(f"/boot/config-{release}").read_bytes()
    return b""


def _running_image(release: str) -> str:
    with suppress(OSError):
        return digest(Path(f"/boot/vmlinuz-{release}"))
    return ""
