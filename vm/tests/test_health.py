# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines of a kernel's log are complaints, and what user space may say without harm."""

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
