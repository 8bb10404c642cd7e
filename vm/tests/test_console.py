# SPDX-License-Identifier: GPL-2.0-or-later
"""Consoles: limited in size, readable while they grow, and searched for the end of the kernel."""

import os
import threading

import pytest

from vm import console
from vm.console import LAST_LINES, LONGEST, Console, headline
from vm.life import Ending

OOPS = """\
[   12.1] BUG: kernel NULL pointer dereference, address: 0000000000000010
[   12.2] #PF: supervisor read access in kernel mode
[   12.3] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI
[   12.4] CPU: 0 UID: 0 PID: 146 Comm: python3.11 Not tainted 6.16.12 #1
[   12.5] RIP: 0010:do_fanotify_mark+0x2b/0x5a0
[   12.6] Kernel panic - not syncing: Fatal exception
"""
KASAN = """\
[    9.0] ==================================================================
[    9.1] BUG: KASAN: slab-use-after-free in fanotify_release+0x10/0x20
[    9.2] Read of size 8 at addr ffff888004f0a010 by task python3/91
[    9.3] Call Trace:
[    9.6] Kernel panic - not syncing: kasan.fault=panic set ...
"""
OOM = """\
[   20.1] Out of memory: Killed process 140 (python3.11) total-vm:400000kB, anon-rss:300000kB
fapitest: the agent ended with 137
"""
LOCKUP = """\
[   60.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [python3.11:146]
[   60.0] Modules linked in: loop
[   60.1] Kernel panic - not syncing: softlockup: hung tasks
"""
SAID = """\
[    4.0] BUG: said by a program, not by the kernel
[    5.1] sysrq: Trigger a crash
[    5.1] Kernel panic - not syncing: sysrq triggered crash
[    5.2] Call Trace:
"""
NO_KILLABLE = "[   20.1] Kernel panic - not syncing: System is deadlocked on memory\n"
PANICS = {
    "sysrq": (
        "[    5.1] Kernel panic - not syncing: sysrq triggered crash\n",
        (Ending.PANIC, "Kernel panic: sysrq triggered crash"),
    ),
    "oops": (
        OOPS,
        (Ending.OOPS, "Kernel oops: BUG: kernel NULL pointer dereference, address: 0000000000000010"),
    ),
    "kasan": (
        KASAN,
        (Ending.OOPS, "Kernel oops: BUG: KASAN: slab-use-after-free in fanotify_release+0x10/0x20"),
    ),
    "lockup": (
        LOCKUP,
        (Ending.OOPS, "Kernel oops: watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [python3.11:146]"),
    ),
    "out of memory": (
        OOM,
        (
            Ending.OOM,
            "Out of memory: Killed process 140 (python3.11) total-vm:400000kB, anon-rss:300000kB",
        ),
    ),
    "no memory at all": (NO_KILLABLE, (Ending.OOM, "Kernel panic: System is deadlocked on memory")),
    "an oops that ended nothing": (OOPS.rpartition("[   12.6]")[0], None),
    "a test's own process was killed": (OOM.partition("fapitest")[0], None),
    "a program had said so before": (
        SAID,
        (Ending.PANIC, "Kernel panic: sysrq triggered crash"),
    ),
    "a program says so": ("echo Kernel panic - not syncing: not really\n", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("name", PANICS)
def test_the_line_that_names_the_end(name):
    text, expected = PANICS[name]
    assert headline(text) == expected


@pytest.fixture
def followed(tmp_path):
    """A console, and the pipe that it reads."""
    reading, writing = os.pipe()
    kept = Console(tmp_path / "console.log")
    kept.follow(os.fdopen(reading, "rb"))
    return kept, writing, tmp_path / "console.log"


def printed(followed, *parts):
    kept, writing, log = followed
    with os.fdopen(writing, "wb") as out:
        for part in parts:
            out.write(part)
    kept.close()
    return log.read_bytes()


def test_an_ordinary_console_is_kept_whole(followed):
    assert printed(followed, b"one\n", b"two\r\n") == b"one\ntwo\r\n"
    assert followed[0].text() == "one\ntwo\n"


def test_one_in_a_loop_is_cut_in_the_middle(followed, monkeypatch):
    monkeypatch.setattr(console, "LIMIT", 1000)
    monkeypatch.setattr(console, "_TAIL", 100)
    kept = printed(followed, b"begin\n", *[b"again and again\n"] * 5000, b"the end\n")
    assert kept.startswith(b"begin\n")
    assert kept.endswith(b"the end\n")
    assert b"bytes of this console are left out" in kept
    assert len(kept) < 70_000


def test_the_end_has_few_and_short_lines(followed):
    printed(followed, *[b"line\n"] * 500, b"x" * 100_000)
    lines = followed[0].end().splitlines()
    assert len(lines) == LAST_LINES
    assert max(map(len, lines)) == LONGEST


def test_a_word_is_waited_for(followed):
    kept, writing, _ = followed
    threading.Timer(0.05, os.write, (writing, b"fapitest: ready\n")).start()
    assert kept.wait_for("ready", 10)
    os.close(writing)
    assert not kept.wait_for("never said", 10)
    kept.close()


def test_a_log_that_can_not_be_written_costs_the_file_alone(tmp_path):
    kept = Console(tmp_path / "no such directory" / "console.log", before=b"Kernel panic")
    assert kept.text() == "Kernel panic"
    kept.close()
