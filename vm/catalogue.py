# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels that the project knows by name. To add one, add a row here and an environment in tox.ini."""

from __future__ import annotations

SERIES: dict[str, tuple[str, ...]] = {
    # series: the suites of Debian's archive that carry it
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
"""Debian's kernel for virtual machines: the same source as the generic one, a third of its size, virtio built in."""

PACKAGE = r"linux-(image|binary)-(unsigned-)?({series}[.~+-][^ ]*-{flavour}|{series}-{flavour})(-unsigned)?"
"""The packages that carry a series' kernel image: ``linux-image`` up to 6.18, ``linux-binary`` from 6.19 on.

Debian signs some later than it publishes them, so an unsigned build may be the newest.
"""

REFERENCE: dict[str, tuple[str, ...]] = {
    # series: the suites of Debian's archive that carry its source, linux-source-SERIES
    "6.12": ("trixie", "trixie-security"),
    "7.2": ("trixie-backports", "sid"),
}
"""The series that reference kernels are built from: ``ref-6.12``; see vm/reference."""
