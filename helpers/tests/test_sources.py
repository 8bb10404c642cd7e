# SPDX-License-Identifier: GPL-2.0-or-later
"""The kind of a behaviour follows from its source; a source that names no document is rejected."""

import pytest

from helpers.contract.behaviours import Behaviour
from helpers.contract.sources import Kind, kind

COMMIT = 'commit 30ad1938326b ("fanotify: allow "weak" fsid when watching a single filesystem"), 6.8'
MAIL = 'mail "fanotify: introduce restartable permission events", 2025-08-06, not merged'


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("fanotify(7)", Kind.DOCUMENTED),
        ("fanotify_mark(2), ERRORS, EINVAL", Kind.DOCUMENTED),
        ("fanotify_init(2) FAN_CLOEXEC", Kind.DOCUMENTED),
        ("proc_pid_fdinfo(5): the flags argument", Kind.DOCUMENTED),
        ("linux/pidfd.h, PIDFD_INFO_EXIT", Kind.DOCUMENTED),
        ("include/uapi/linux/fanotify.h", Kind.DOCUMENTED),
        ("Documentation/admin-guide/filesystem-monitoring.rst", Kind.DOCUMENTED),
        (COMMIT, Kind.DECIDED),
        (MAIL, Kind.DECIDED),
        ("mail linux-fsdevel, 2025-07-14, the design", Kind.DECIDED),
        ('patch "fanotify: Taint on use of FANOTIFY_ACCESS_PERMISSIONS" of Debian', Kind.DECIDED),
        ("fs/pidfs.c", Kind.OBSERVED),
        ("kernel/pid.c and kernel/fork.c, pid_has_task()", Kind.OBSERVED),
        ("include/linux/fanotify.h, FANOTIFY_UNPRIV", Kind.OBSERVED),
        (f"fs/pidfs.c; {COMMIT}", Kind.DECIDED),
        (f"fs/pidfs.c; {MAIL}; fanotify(7), fd", Kind.DOCUMENTED),
    ],
)
def test_kind(source: str, expected: Kind) -> None:
    assert kind(source) is expected
    assert Behaviour("A-B", "a", source=source).kind is expected


@pytest.mark.parametrize(
    "source",
    [
        "",
        "my own head",
        "see fanotify(7)",
        "fanotify",
        "fanotify(7)x",
        "fanotify(7); ERRORS",
        "commit 30ad1938326b",
        'commit 30ad193 ("too short")',
        'commit 30ad1938326b ("without an end)',
        '"fanotify: introduce restartable permission events", 2025-08-06',
        'mail "without a day"',
        "fs/pidfs",
        "/fs/pidfs.c",
    ],
)
def test_what_names_nothing_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="names no manual page"):
        kind(source)


def test_a_behaviour_of_a_former_time_has_no_kind() -> None:
    assert Behaviour("A-B", "a").kind is None


def test_a_behaviour_describes_itself_with_its_kind() -> None:
    one = Behaviour("A-B", "a", "It is so.", "fs/pidfs.c")
    assert one.described == "A-B: It is so.\n\nSource: fs/pidfs.c (observed: kernel code only)"
