# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache returns what was stored, or nothing."""

import os
import threading

import pytest

from vm import cache
from vm.errors import VmError


@pytest.fixture
def entry(tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    directory = cache.root() / "kernels" / "6.12"
    with cache.storing(directory, {"version": "1"}) as making:
        (making / "vmlinuz").write_bytes(b"kernel")
    return directory


def test_what_was_stored_is_found(entry):
    assert cache.stored(entry) == {"version": "1"}


DAMAGE = {
    "truncated": lambda file: file.write_bytes(b"ker"),
    "changed": lambda file: file.write_bytes(b"KERNEL"),
    "gone": lambda file: file.unlink(),
    "manifest cut off": lambda file: (file.parent / cache.MANIFEST).write_text('{"facts": {'),
    "manifest of another shape": lambda file: (file.parent / cache.MANIFEST).write_text("[]"),
    "no manifest": lambda file: (file.parent / cache.MANIFEST).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_not_there(entry, damage):
    damage(entry / "vmlinuz")
    assert cache.stored(entry) is None


def test_a_new_time_alone_is_no_damage(entry):
    os.utime(entry / "vmlinuz", (0, 0))
    assert cache.stored(entry) is not None


def test_an_entry_that_failed_leaves_the_old_one(entry):
    with pytest.raises(ZeroDivisionError), cache.storing(entry, {}) as making:
        (making / "vmlinuz").write_bytes(b"half")
        raise ZeroDivisionError
    assert cache.stored(entry) == {"version": "1"}
    assert [path.name for path in entry.parent.iterdir()] == ["6.12"]


def test_the_second_of_two_waits(entry):
    order = []

    def second():
        with cache.lock("kernel"):
            order.append("second")

    with cache.lock("kernel"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_cache_that_can_not_be_made_is_one_clear_line(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(VmError, match="set FAPITEST_CACHE to another"):
        cache.root()
