# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of a kernel that can be booted, and the header of a boot image.

Source: Documentation/arch/x86/boot.rst.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from vm.errors import VmError

HEAD = 0x10000 + 0x200
"""Bytes at the start of a boot image that include its release: kernel_version is a 16-bit offset to it."""

_MACHINES = {0x3E: "x86-64", 0xB7: "arm64", 0xF3: "RISC-V", 0x15: "PowerPC 64"}
_RELEASE = re.compile(r"[!-.0-~]{1,64}")


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted.

    Attributes:
        name: its name for users, and in every result.
        image: the boot image (bzImage).
        modules: archive of the modules that the guest needs.
        loop: whether it surely has loop devices; otherwise a VM gets scratch disks to mount.
        origin: where it comes from, as text for users.
        packages: the version and the names of its packages; empty for a user's kernel.
        key: identifies its content, or None for a kernel whose VM states are not saved.
        other_names: alternative names if another kernel of the run has the same name, best first.
        given: the name or path that the user gave.
        userland: the base archive to boot it with; None for that of this environment.
    """

    name: str
    image: Path
    modules: Path
    loop: bool
    origin: str
    packages: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    other_names: tuple[str, ...] = ()
    given: str = ""
    userland: Path | None = None


def image_release(image: Path) -> str:
    """Return the release (uname -r) that a boot image names in its header, or "" when it names none."""
    with image.open("rb") as content:
        return _release(content.read(HEAD))


def image_version(image: Path) -> str:
    """Return the version (uname -v) in the header of a boot image, or "" if it has none."""
    with image.open("rb") as content:
        _, number, version = _named(content.read(HEAD)).partition("#")
    return f"{number}{version}"


def _named(head: bytes) -> str:
    """Return the string at kernel_version of the header: release, builder, version."""
    offset = struct.unpack_from("<H", head, 0x20E)[0]
    if not offset:
        return ""
    return head[offset + 0x200 : offset + 0x300].split(b"\0")[0].decode("ascii", "replace")


def _release(head: bytes) -> str:
    return next(iter(_named(head).split()), "")


def check_release(image: bytes, called: str) -> str:
    """Return the release in a boot image's header; it may become part of a path.

    Raises:
        VmError: it has characters that a release may not have.
    """
    release = _release(image)
    if release and (release in {".", ".."} or not _RELEASE.fullmatch(release)):
        raise VmError(f"{called} names {release!r} as its release, which is not a plain word")
    return release


def check_image(image: Path) -> None:
    """Check that a file is a boot image of this architecture.

    Raises:
        VmError: it is not; the text says what it is.
    """
    with image.open("rb") as content:
        check_head(content.read(0x210), str(image))


def check_head(head: bytes, called: str) -> None:
    """Check that a file that begins with `head` is a boot image of this architecture.

    Raises:
        VmError: it is not; the text says what it is.
    """
    if len(head) >= 0x210 and head[0x202:0x206] == b"HdrS":
        return
    if head[:2] == b"MZ" and head[0x38:0x3C] == b"ARM\x64":
        raise VmError(f"{called} is a kernel for arm64; this suite boots x86-64 kernels")
    if head[:4] == b"\x7fELF":
        machine = (
            _MACHINES.get(struct.unpack_from("<H", head, 18)[0], "unknown") if len(head) > 20 else "cut off"
        )
        raise VmError(
            f"{called} is an ELF file ({machine}), not a boot image; give the bzImage (arch/x86/boot/bzImage)"
        )
    raise VmError(f"{called} is not a boot image (bzImage) of an x86-64 kernel")
