# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from reports.sources import references

MAN = "https://man7.org/linux/man-pages"
TREE = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree"


@pytest.mark.parametrize(
    ("source", "addresses"),
    [
        ("fanotify(7)", [f"{MAN}/man7/fanotify.7.html"]),
        ("fanotify(7), fsid", [f"{MAN}/man7/fanotify.7.html"]),
        ("fanotify_mark(2), ERRORS", [f"{MAN}/man2/fanotify_mark.2.html#ERRORS"]),
        ("fanotify_mark(2), ERRORS, EINVAL", [f"{MAN}/man2/fanotify_mark.2.html#ERRORS:~:text=EINVAL"]),
        ("fanotify_init(2) FAN_CLOEXEC", [f"{MAN}/man2/fanotify_init.2.html#:~:text=FAN_CLOEXEC"]),
        ("clone(2), RETURN VALUE", [f"{MAN}/man2/clone.2.html#RETURN_VALUE"]),
        ("fs/pidfs.c, pidfs_alloc_file()", [f"{TREE}/fs/pidfs.c"]),
        ('commit 09e7827e7857 ("kernel/fork: validate")', ["https://git.kernel.org/linus/09e7827e7857"]),
        (
            'commit b3e583825266 ("clone: add CLONE_PIDFD"); clone(2), CLONE_PIDFD',
            ["https://git.kernel.org/linus/b3e583825266", f"{MAN}/man2/clone.2.html#:~:text=CLONE_PIDFD"],
        ),
        ("my own head, f(x), copy_process()", []),
        ("", []),
    ],
)
def test_references(source: str, addresses: list[str]) -> None:
    pieces = references(source)
    assert [piece.url for piece in pieces if piece.url] == addresses
    assert "".join(piece.text for piece in pieces) == source
