# SPDX-License-Identifier: GPL-2.0-or-later
"""An independent reader of cpio archives unpacks what was packed."""

import io
import subprocess

import pytest

from vm import tools
from vm.cpio import Archive


def unpacked(archive, directory):
    subprocess.run(
        [tools.path("busybox"), "cpio", "-idu"], input=archive, cwd=directory, check=True, capture_output=True
    )
    return directory


def packed(*calls):
    out = io.BytesIO()
    with Archive(out) as archive:
        for name, *arguments in calls:
            getattr(archive, name)(*arguments)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 511, 512, 513])
def test_content_of_any_length(tmp_path, size):
    unpacked(packed(("data", "/a/b/file", b"x" * size)), tmp_path)
    assert (tmp_path / "a/b/file").read_bytes() == b"x" * size


def test_permissions_links_and_times(tmp_path):
    source = tmp_path / "source"
    source.write_text("#!/bin/sh")
    source.chmod(0o700)
    guest = tmp_path / "guest"
    guest.mkdir()
    unpacked(packed(("file", "/bin/program", source), ("symlink", "/sbin/link", "/bin/program")), guest)
    assert (guest / "bin/program").stat().st_mode & 0o777 == 0o755
    assert int((guest / "bin/program").stat().st_mtime) == int(source.stat().st_mtime)
    assert (guest / "sbin/link").readlink().as_posix() == "/bin/program"


def test_the_first_member_of_a_path_stays():
    assert packed(("data", "/f", b"1"), ("data", "f", b"2")) == packed(("data", "/f", b"1"))


def test_archives_can_be_concatenated():
    assert len(packed(("data", "/f", b"1"))) % 512 == 0


def test_a_failed_archive_has_no_trailer():
    out = io.BytesIO()
    with pytest.raises(ZeroDivisionError), Archive(out) as archive:
        archive.data("/f", b"1")
        raise ZeroDivisionError
    assert b"TRAILER" not in out.getvalue()
