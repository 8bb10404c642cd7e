# SPDX-License-Identifier: GPL-2.0-or-later
"""The names and numbers of proposed interfaces, and overriding them."""

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import fastpath, proposals
from helpers.proposals import ProposalError


@pytest.fixture(autouse=True)
def _defaults():
    yield
    proposals.choose({})


@pytest.mark.parametrize(
    ("number", "direction", "size", "command"),
    [(proposals.fastpath().add, 1, 84, 0), (proposals.fastpath().delete, 1, 64, 1)],
)
def test_ioctls_are_what_the_macros_make(number: int, direction: int, size: int, command: int) -> None:
    assert number == direction << 30 | size << 16 | ord("F") << 8 | command


def test_structure() -> None:
    packed = fastpath.arguments("name", version=7, flags=6, init_args=5, init_args_size=4)
    assert packed == struct.pack("=64sIIQI", b"name", 7, 6, 5, 4)


def test_structure_of_another_version() -> None:
    proposals.choose({"fastpath": {"args": ["name", "init_args", "init_args_size"]}})
    assert len(fastpath.arguments("name", version=7)) == 76


def test_chosen_keys_replace_others(tmp_path: Path) -> None:
    file = tmp_path / "v4.toml"
    file.write_text("[queue_fd]\ninit_flag = 0x10000\n")
    before = proposals.queue_fd()
    proposals.choose(proposals.read(file))
    assert proposals.queue_fd().init_flag == 0x10000
    assert proposals.queue_fd().open_queue == before.open_queue


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[queue_fd]\nflag = 1", "queue_fd: unknown key 'flag'; known are init_flag"),
        ("[queue_fd]\ninit_flag = 'x'", "'init_flag' must be of type int, not 'x'"),
        ("[fastpath]\nargs = 5", "'args' must be of type list"),
        ("[queue]\n", "unknown table 'queue'"),
        ("queue_fd = 1", "unknown table 'queue_fd'"),
        ("[", "v4.toml: "),
    ],
)
def test_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "v4.toml"
    file.write_text(text)
    with pytest.raises(ProposalError, match=r"v4\.toml") as caught:
        proposals.read(file)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("release", "answer"),
    [("6.12.117-reference", True), ("6.12.117-reference-debug", True), ("6.12.117+deb13-amd64", False)],
)
def test_reference_kernels_are_known_by_their_release(monkeypatch, release, answer):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    assert proposals.is_reference() is answer
