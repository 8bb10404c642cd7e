# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from reports.behaviours import BadTableError, Behaviour, load, references

MAN = "https://man7.org/linux/man-pages"
TREE = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree"


def write(suites: Path, interface: str, text: str) -> None:
    (suites / interface).mkdir()
    (suites / interface / "behaviours.toml").write_text(text)


def test_load(tmp_path: Path) -> None:
    write(tmp_path, "b", '[B-1]\nstatement = "s"\nsource = "x(2)"\nsince = "5.1"\nbackports = ["5.0.9"]')
    write(tmp_path, "a", '[A-2]\nuntested = "why"\nnew = 1\n[A-1]\n')
    assert list(load(tmp_path).values()) == [
        Behaviour("A-2", "a", untested="why"),
        Behaviour("A-1", "a"),
        Behaviour("B-1", "b", "s", "x(2)", "5.1"),
    ]


@pytest.mark.parametrize("text", ["[A-1", "\x00", "[A-1]\na = 1\n[A-1]\na = 2"])
def test_a_bad_table_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a", text)
    with pytest.raises(BadTableError, match=r"a/behaviours\.toml: .+"):
        load(tmp_path)


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
