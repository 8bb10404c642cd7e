# SPDX-License-Identifier: GPL-2.0-or-later
"""Files get from the guest to the host, whole or not at all, and never anywhere else."""

import io
import os
import tarfile

import pytest

from vm.outbox import Outbox, unpack


@pytest.fixture
def stream(tmp_path):
    return tmp_path / "files.tar"


def sent(stream, *batches):
    port = os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    outbox = Outbox(port)
    for batch in batches:
        for name, content in batch.items():
            outbox.put(name, content)
        outbox.send()
    os.close(port)


def test_every_batch_arrives(tmp_path, stream):
    sent(stream, {"a": b"1", "sub/b": b"2" * 20000}, {}, {"c": b"3"})
    unpack(stream, tmp_path / "host")
    assert {p.name: p.stat().st_size for p in (tmp_path / "host").rglob("*") if p.is_file()} == {
        "a": 1,
        "b": 20000,
        "c": 1,
    }
    assert not stream.exists()


def test_what_was_sent_is_not_sent_again(stream):
    sent(stream, {"a": b"1"}, {})
    assert stream.read_bytes().count(b"ustar") == 1


@pytest.mark.parametrize("kept", [100, 512, 600, 1024, 1100, 1536, 1700])
def test_a_stream_that_was_cut_off_gives_its_whole_members(tmp_path, stream, kept):
    sent(stream, {"a": b"1" * 400}, {"b": b"2" * 400})
    stream.write_bytes(stream.read_bytes()[:kept])
    unpack(stream, tmp_path / "host")
    found = {path.name: path.read_bytes() for path in (tmp_path / "host").glob("*")}
    assert all(content in (b"1" * 400, b"2" * 400) for content in found.values())
    assert ("a" in found) is (kept >= 1024)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside"])
def test_nothing_leaves_the_directory(tmp_path, stream, name):
    with tarfile.open(stream, "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 3
        archive.addfile(member, io.BytesIO(b"bad"))
    unpack(stream, tmp_path / "host")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_stream_that_is_not_there(tmp_path, stream):
    unpack(stream, tmp_path / "host")
    assert not (tmp_path / "host").exists()
