# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that end their VM, their pytest or its way to the host, and some that only look as if they did."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this ends the machine it runs on")

RESTART, HALT, POWER_OFF = 0x01234567, 0xCDEF0123, 0x4321FEDC  # linux/reboot.h
ODD = {
    "ünïcode-☃": 0,
    "two\nlines": 1,
    "a::b": 2,
    "</script><b>": 3,
    "../../escape": 4,
    "x" * 3000: 5,
}


def works():
    """All that an innocent test may count on."""
    assert Path("/proc/self/status").read_text()
    assert subprocess.run(["true"], check=False).returncode == 0


@pytest.fixture(autouse=True)
def innocent_until_begun():
    works()


@pytest.mark.parametrize("command", [RESTART, POWER_OFF, HALT], ids=["restart", "power-off", "halt"])
def test_reboot(command):
    magic = (0xFEE1DEAD, 672274793)  # reboot(2)
    ctypes.CDLL(None).syscall(169, *map(ctypes.c_long, (*magic, command, 0)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_kills_pytest(number):
    os.kill(os.getpid(), number)
    threading.Event().wait()


def test_kills_everybody():
    os.kill(-1, signal.SIGKILL)


def test_closes_all_descriptors():
    os.closerange(0, 256)


def test_fork_bomb():
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def test_busy_with_signals_blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass


def test_next_year():
    """Every certificate, lease and time stamp of the guest is out of date; nothing of ours asks for it."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + 365 * 24 * 3600)


def test_prints_200_megabytes():
    for _ in range(200):
        sys.stdout.write("x" * (1 << 20))


@pytest.mark.timeout(10)
def test_floods_the_console():
    with Path("/dev/console").open("w") as console:
        while True:
            console.write("x" * 4000 + "\n")


@pytest.mark.timeout(60)
def test_message_of_many_lines():
    pytest.fail("x\n" * 2_500_000)


def test_odd_output():
    print("\0 \udcff \x1b[2J ]]> \x1b]0;owned\x07")
    pytest.fail("\0 \udcff \x1b[2J ]]>")


@pytest.mark.parametrize("number", ODD.values(), ids=ODD)
def test_odd_names(number):
    assert number >= 0


@pytest.mark.parametrize("number", range(100))
def test_one_of_many_failures(number):
    assert number < 0


def test_after():
    pass
