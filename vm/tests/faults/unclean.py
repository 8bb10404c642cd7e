# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that leave their VM unfit for others; each is followed by one that needs what was broken."""

import ctypes
import os
import resource
import subprocess
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this spoils the machine it runs on")

FAN_CLASS_CONTENT, FAN_MARK_ADD, FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, AT_FDCWD = 4, 1, 0x100, 0x10000, -100


def works():
    """All that an innocent test may count on."""
    assert Path("/proc/self/status").read_text()
    assert subprocess.run(["true"], check=False).returncode == 0
    (Path(os.environ["TMPDIR"]) / "file").write_bytes(bytes(1 << 20))


def test_no_proc():
    subprocess.run(["umount", "-l", "/proc"], check=True)


def test_after_no_proc():
    works()


def test_full_root():
    with Path("/filled").open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(1 << 20))
            file.flush()


def test_after_full_root():
    works()


def test_no_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def test_after_no_descriptors():
    works()


def test_permission_mark():
    """Nobody answers: every open of a file hangs from here on."""
    libc = ctypes.CDLL(None)
    group = libc.fanotify_init(FAN_CLASS_CONTENT, os.O_RDONLY)
    mask = ctypes.c_uint64(FAN_OPEN_PERM)
    assert libc.fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, b"/") == 0


def test_after_permission_mark():
    works()


def test_exit():
    pytest.exit("enough")


def test_after_exit():
    works()


def test_interrupt():
    raise KeyboardInterrupt


def test_after_interrupt():
    works()


def test_os_exit():
    os._exit(0)


def test_after_os_exit():
    works()


def test_escaped_fork():
    if os.fork() == 0:
        return
    threading.Event().wait()


def test_after_escaped_fork():
    works()


@pytest.fixture
def torn_down_badly():
    yield
    Path("/proc/sys/kernel/tainted").write_text(str(1 << 9))
    raise RuntimeError("torn down badly")


@pytest.mark.usefixtures("torn_down_badly")
def test_taint_in_teardown():
    pass


def test_after_taint():
    works()
