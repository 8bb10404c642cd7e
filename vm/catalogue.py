# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels that have a name in this project. To add one, add a row here and an environment in tox.ini."""

from __future__ import annotations

SERIES: dict[str, tuple[str, ...]] = {
    # series: the suites of Debian's archive that have it
    "5.10": ("bullseye-security",),
    "6.1": ("bookworm", "bookworm-security"),
    "6.12": ("trixie", "trixie-security"),
    "6.16": ("trixie-backports",),
    "6.17": ("trixie-backports",),
    "6.18": ("trixie-backports",),
    "6.19": ("trixie-backports",),
    "7.0": ("trixie-backports",),
    "7.1": ("trixie-backports",),
    "7.2": ("trixie-backports", "sid"),
    "7.3": ("trixie-backports", "sid", "experimental"),
}

FLAVOUR = "cloud-amd64"
"""Debian's kernel for VMs: the same source as the generic one, a third of its size, with virtio built in."""

PACKAGE = r"linux-(image|binary)-(unsigned-)?({series}[.~+-][^ ]*-{flavour}|{series}-{flavour})(-unsigned)?"
"""The packages with the kernel image of a series: ``linux-image`` up to 6.18, ``linux-binary`` since 6.19.

Debian publishes some packages before it signs them, so an unsigned one may be the newest.
"""

REFERENCE: dict[str, tuple[str, ...]] = {
    # series: the suites of Debian's archive that have its source, linux-source-SERIES
    "6.12": ("trixie", "trixie-security"),
    "7.2": ("trixie-backports", "sid"),
}
"""The series that reference kernels are built from: ``ref-6.12``; see vm/reference."""
