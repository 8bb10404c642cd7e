# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that rejects a feature of its release fails the run, without a list of its features.

seccomp(2) makes the running kernel such a one: for one process and its children fanotify_init(2), or one flag of it,
fails. The tests that are run only call fanotify_init(2).
"""

import ctypes
import os
import struct
import subprocess
import sys
from errno import EINVAL, ENOSYS
from pathlib import Path

import pytest

from helpers import baseline
from helpers.baseline import Feature
from helpers.contract import releases
from helpers.syscalls import number, syscall
from helpers.uapi import FAN_REPORT_PIDFD

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or Feature.REPORT_PIDFD not in baseline.of_release(releases.running(), None).features,
    reason="needs root, and a kernel with FAN_REPORT_PIDFD",
)

PROJECT = Path(__file__).parents[2]

# linux/filter.h, linux/seccomp.h, linux/prctl.h
LOAD, IF_EQUAL, IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NUMBER, FIRST_ARGUMENT = 0, 16
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


class Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse(flags: int, answer: int) -> None:
    """Make fanotify_init(2) with one of these flags, or for 0 with any, fail with this errno from now on."""
    judge = [(LOAD, 0, 0, FIRST_ARGUMENT), (IF_SET, 0, 1, flags)] if flags else []
    steps = [
        (LOAD, 0, 0, NUMBER),
        (IF_EQUAL, 0, len(judge) + 1, number("fanotify_init")),
        *judge,
        (RETURN, 0, 0, ERRNO | answer),
        (RETURN, 0, 0, ALLOW),
    ]
    program = Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    syscall("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    syscall("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)


@pytest.mark.parametrize(
    ("flags", "errno", "options", "code", "said"),
    [
        (FAN_REPORT_PIDFD, EINVAL, [], 1, "lost feature: FAN_REPORT_PIDFD, 5.15, is missing; Linux "),
        (
            FAN_REPORT_PIDFD,
            EINVAL,
            ["--baseline", "none"],
            0,
            "not-implemented: FAN_REPORT_PIDFD, 5.15 (",
        ),
        (0, ENOSYS, [], 1, "lost feature: fanotify, 2.6.37, with CONFIG_FANOTIFY, is missing"),
        (0, ENOSYS, ["--baseline", "none"], 0, ": fanotify, 2.6.37, with CONFIG_FANOTIFY ("),
    ],
    ids=["a-flag", "a-flag-that-may-be-missing", "fanotify", "fanotify-that-may-be-missing"],
)
def test_run(tmp_path: Path, flags: int, errno: int, options: list[str], code: int, said: str) -> None:
    run = ["--on-this-machine", "suites/fanotify_init/test_flags.py", "--results", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *run, *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: refuse(flags, errno),
    )
    assert said in done.stdout
    assert done.returncode == code
    assert ("no baseline: what " in done.stdout) is bool(options)
