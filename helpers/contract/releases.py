# SPDX-License-Identifier: GPL-2.0-or-later
"""Which release of Linux a kernel is, by its own word, and whether it has what came with certain releases.

What Linux got is told by points, the releases from which on it is there: `["6.18", "6.17.7", "6.12.57"]` is something
that came with 6.18 and was back-ported to two stable series.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self


class Number(NamedTuple):
    """A release as numbers, which compare as the releases follow each other: 7.3-rc2, 7.3, 7.3.1."""

    major: int
    minor: int
    patch: int = 0
    candidate: int = 0
    """N of -rcN; 0 for what is there from the first of them on, RELEASED for what is no candidate."""

    @property
    def series(self) -> tuple[int, int]:
        """The series that stable releases belong to: 6.12.118 is of (6, 12)."""
        return self.major, self.minor

    def __str__(self) -> str:
        """Return the number as people write it."""
        candidate = f"-rc{self.candidate}" if 0 < self.candidate < RELEASED else ""
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else candidate)


RELEASED = 1000

_POINT = re.compile(r"(\d+)\.(\d+)(?:\.(\d+)|-rc(\d+))?")
_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:[-~]rc(\d+))?(.*)")

_UPSTREAM = (
    re.compile(r"Debian (\d+\.\d+\.\d+)-"),  # uname -v; up to Debian 12 uname -r says 6.1.0-56-amd64
    re.compile(r"Ubuntu \S+ (\d+\.\d+\.\d+)\b"),  # /proc/version_signature
)
"""Where a distribution says from which stable release it has made a kernel, when its release does not say it."""

_OF_ITS_OWN = re.compile(r"-\d|\+")
"""What follows the number where a distribution, or git, goes on from it: 5.14.0-503.el9, 6.8.0-45-generic, 6.16.0+."""


def point(text: str) -> Number:
    """Return the number of a point: 6.12, 6.12.57 or 7.3-rc2; raise ValueError for anything else."""
    if not (found := _POINT.fullmatch(text)):
        raise ValueError(f"{text!r} is not a release such as 6.12, 6.12.57 or 7.3-rc2")
    return Number(*(int(digits or 0) for digits in found.groups()))


@dataclass(frozen=True)
class Release:
    """What a kernel says it is.

    Attributes:
        text: what uname -r says.
        number: the release of Linux that it was made from.
        exact: whether that tells what is in it; a distribution's 5.14.0-503.el9 has much that came later.
        architecture: what uname -m says, or "".
    """

    text: str
    number: Number
    exact: bool
    architecture: str = ""

    @classmethod
    def parse(cls, release: str, version: str = "", architecture: str = "") -> Self | None:
        """Return what uname -r, -v and -m say, or None where no release of Linux can be read from it."""
        if not (found := _RELEASE.fullmatch(release)):
            return None
        major, minor, patch, candidate, rest = found.groups()
        number = Number(int(major), int(minor), int(patch or 0), int(candidate or RELEASED))
        for upstream in filter(None, (pattern.search(version) for pattern in _UPSTREAM)):
            made_from = point(upstream[1])._replace(candidate=RELEASED)
            if made_from.series == number.series:
                return cls(release, made_from, exact=True, architecture=architecture)
        exact = number.patch > 0 or not _OF_ITS_OWN.match(rest)
        return cls(release, number, exact, architecture)

    def has(self, points: Iterable[Number]) -> bool:
        """Whether something is in this release that came with these points, none of which is never.

        A series that has a point decides for itself; any other has what is older than all of it.
        """
        known = list(points)
        own = [each for each in known if each.series == self.number.series]
        return self.number >= min(own) if own else bool(known) and self.number > max(known)


def running() -> Release | None:
    """Return the release of the running kernel, or None where no release of Linux can be read from it."""
    uname, signature = os.uname(), Path("/proc/version_signature")
    signed = signature.read_text(encoding="utf-8", errors="replace") if signature.exists() else ""
    return Release.parse(uname.release, f"{uname.version} {signed}", uname.machine)
