# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of a kernel's log that are complaints, harmless messages of user space, and unclean guests."""

import os
import resource
import time
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from vm import health

COMPLAINTS = [
    "4,1000,1,-;WARNING: CPU: 0 PID: 512 at fs/notify/fanotify/fanotify.c:200 fanotify_handle_event+0x1b/0x2c0",
    "4,1000,1,-;------------[ cut here ]------------ WARNING: fs/notify/mark.c:120 at fsnotify_put_mark",
    "1,1000,1,-;BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "3,1000,1,-;BUG: KASAN: slab-use-after-free in fsnotify_destroy_event+0x40/0x60",
    "0,1000,1,-;watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [python3:99]",
    "3,1000,1,-;INFO: task python3:77 blocked for more than 120 seconds.",
    "3,1000,1,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "4,1000,1,-;WARNING: possible circular locking dependency detected",
    "4,1000,1,-;WARNING: suspicious RCU usage",
    "0,1000,1,-;Oops: general protection fault, probably for non-canonical address",
    "4,1000,1,-;refcount_t: underflow; use-after-free.",
    "4,1000,1,-;list_del corruption. prev->next should be ffff, but was 0000",
    "3,1000,1,-;UBSAN: array-index-out-of-bounds in fs/pidfs.c:10:2",
    "4,1000,1,-;kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
]
HARMLESS = [
    "6,1000,1,-;loop0: detected capacity change from 0 to 32768",
    "6,1000,1,-;EXT4-fs (loop0): mounted filesystem with ordered data mode",
    "4,1000,1,-;process 'python3' started with executable stack",
    "12,1000,1,-;BUG: said by a program through /dev/kmsg",
    "14,1000,1,-;WARNING: said by a program",
    "6,1000,1,-;Debugging is off",
    " SUBSYSTEM=block",
    "",
]


@pytest.mark.parametrize("record", COMPLAINTS)
def test_complaints(record):
    assert health.complaint(record) == record.partition(";")[2]


@pytest.mark.parametrize("record", HARMLESS)
def test_harmless(record):
    assert health.complaint(record) is None


LOGS = sorted((Path(__file__).parent / "logs").glob("*.txt"))
"""Each is a log in the format of /dev/kmsg, after a first line with the expected complaint, or an empty one."""


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_logs(log):
    title, *records = log.read_text().splitlines()
    found = [text for record in records if (text := health.complaint(record))]
    assert found[:1] == ([title] if title else [])


def test_what_is_allowed_counts_again_after_its_day():
    text = """
        deny = [{pattern = "BUG: ", printer = "lib/bug.c"}]
        allow = [{pattern = "BUG: known", reason = "known", link = "l", until = 2026-06-01}]
        taint = [{bit = 12, name = "TAINT_OOT_MODULE", reason = "ours"}]
    """
    before, after = (health.rules(text, date(2026, month, 1)) for month in (5, 6))
    assert before.allow
    assert before.allow.search("BUG: known")
    assert after.allow is None
    assert before.taints == 1 << 12


def test_nothing_is_allowed_that_has_expired():
    """If this fails, check whether the entry is still needed, and extend or remove it."""
    entries = tomllib.loads(health.RULES.read_text()).get("allow", [])
    today = datetime.now(UTC).date()
    assert [entry["pattern"] for entry in entries if entry["until"] <= today] == []
    assert all(entry["reason"] and entry["link"] for entry in entries)


class TestCleanliness:
    @pytest.fixture
    def clean(self, monkeypatch, tmp_path):
        """A guest whose mounts are those of the machine that runs this test."""
        monkeypatch.setattr(health, "NEEDED", (str(tmp_path),))
        monkeypatch.setattr(health, "ROOM", 1)
        return health.Cleanliness()

    def test_a_clean_guest(self, clean):
        clean.check()

    def test_a_mount_that_is_gone(self, clean, tmp_path):
        tmp_path.rmdir()
        with pytest.raises(
            health.UncleanGuestError, match=r"left the machine unclean: .* is gone \(ENOENT\)"
        ):
            clean.check()
        tmp_path.mkdir()

    def test_no_room(self, clean, monkeypatch):
        monkeypatch.setattr(health, "ROOM", 1 << 62)
        with pytest.raises(health.UncleanGuestError, match="/ is full"):
            clean.check()

    def test_a_lowered_limit(self, clean):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, before[1]))
        try:
            with pytest.raises(health.UncleanGuestError, match="RLIMIT_FSIZE is"):
                clean.check()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def test_a_clock_that_stands_still(self, clean, monkeypatch):
        monkeypatch.setattr(time, "monotonic", lambda: 0.0)
        with pytest.raises(health.UncleanGuestError, match="the clock stands still"):
            clean.check()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes to /dev/kmsg")
def test_records_that_were_overwritten_are_told(monkeypatch):
    watch = health.Watch()
    answers = iter([BrokenPipeError(), BlockingIOError()])

    def read(_descriptor, _size):
        raise next(answers)

    monkeypatch.setattr(os, "read", read)
    with pytest.raises(health.KernelComplaint, match="overwritten before they could be read"):
        watch.check()
    watch.close()
