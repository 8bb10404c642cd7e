# SPDX-License-Identifier: GPL-2.0-or-later
"""How firmly a behaviour is promised, which follows from what its source names.

A source is one place or several, joined by "; ". Each begins with what it names, and may say more behind it:

    fanotify_init(2), ERRORS, EINVAL        a section of a manual page
    linux/pidfd.h, PIDFD_INFO_EXIT          a header that programs include; also include/uapi/linux/pidfd.h
    Documentation/filesystems/proc.rst
    commit 0123456789ab ("its title"), 6.12
    mail "its subject", 2025-08-06, what of it      or the mailing list for the subject: mail linux-fsdevel, 2025-08-06
    patch "its title" of Debian
    fs/pidfs.c, pidfd_info()                a file of the kernel, one of include/linux too
"""

import re
from enum import StrEnum


class Kind(StrEnum):
    """How firmly a behaviour is promised. The members are ordered from the firmest."""

    DOCUMENTED = "documented"
    """By a manual page, a header that programs include, or the kernel's Documentation/."""
    DECIDED = "decided"
    """In a commit, a mail or a patch: people have agreed on it, and no manual says so."""
    OBSERVED = "observed"
    """In the kernel's code alone. Nobody promises it: who finds another answer has found a change."""

    @property
    def basis(self) -> str:
        """What the behaviour rests on, where a report has room for some words."""
        return "observed: kernel code only" if self is Kind.OBSERVED else str(self)


BROKEN = {
    Kind.DOCUMENTED: "the kernel breaks the documented behaviour",
    Kind.DECIDED: "the kernel does not do what a commit or a mail decided",
    Kind.OBSERVED: "observed: kernel code only; nobody promises what the test expects",
}
"""What is said of a kernel that fails the test of a behaviour."""

_PLACES = {
    Kind.DOCUMENTED: r"[a-z]\w*\([1-8]\)|(include/uapi/)?linux/\w+\.h|Documentation/[\w./-]+\.rst",
    Kind.DECIDED: r'commit [0-9a-f]{12,40} \(".+?"\)|mail (".+?"|[\w-]+), \d{4}-\d\d-\d\d|patch ".+?" of [A-Z]\w+',
    Kind.OBSERVED: r"(fs|include/(linux|net)|kernel|mm|net|security)/[\w./-]+\.[ch]",
}
_PLACE = re.compile("|".join(f"(?P<{kind}>{pattern})(?=[,: ]|$)" for kind, pattern in _PLACES.items()))


def kind(source: str) -> Kind:
    """Return the firmest kind of the places that a source names; raise ValueError for one that is none of them."""
    return min((_kind(place) for place in source.split("; ")), key=list(Kind).index)


def _kind(place: str) -> Kind:
    if not (found := _PLACE.match(place)):
        raise ValueError(
            f"{place!r} names no manual page, header, Documentation/, commit, mail, patch or file of the kernel"
        )
    return next(kind for kind in Kind if found[kind])
