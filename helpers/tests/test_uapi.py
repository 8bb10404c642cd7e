# SPDX-License-Identifier: GPL-2.0-or-later
"""Flags print as their names, and the structures have the sizes of the C header."""

import ctypes
from errno import EIO

import pytest

from helpers import uapi
from helpers.uapi import Flags, Init, Mark, Mask, Open, Response

SPELLED = [
    (Init(0), "FAN_CLASS_NOTIF"),
    (Init.REPORT_PIDFD | Init.CLASS_CONTENT, "FAN_CLASS_CONTENT|FAN_REPORT_PIDFD"),
    (Init.REPORT_DIR_FID | Init.REPORT_NAME, "FAN_REPORT_DFID_NAME"),
    (Init.REPORT_DFID_NAME_TARGET, "FAN_REPORT_DFID_NAME_TARGET"),
    (Init(0x80018000), "0x80018000"),
    (Init(0x8000) | Init.REPORT_FID, "FAN_REPORT_FID|0x8000"),
    (Mark.ADD | Mark.MNTNS, "FAN_MARK_ADD|FAN_MARK_MNTNS"),
    (Mark.FLUSH | Mark.FILESYSTEM, "FAN_MARK_FLUSH|FAN_MARK_FILESYSTEM"),
    (Mask(0), "0x0"),
    (Mask.OPEN | Mask.ONDIR, "FAN_OPEN|FAN_ONDIR"),
    (Open.RDONLY, "O_RDONLY"),
    (Open.RDWR | Open.CLOEXEC, "O_RDWR|O_CLOEXEC"),
    (Open(3), "O_ACCMODE"),
    (Response.DENY | Response.AUDIT, "FAN_DENY|FAN_AUDIT"),
]

# What a C compiler says of the header.
SIZES = {
    uapi.EventMetadata: 24,
    uapi.InfoHeader: 4,
    uapi.InfoFid: 20,
    uapi.InfoPidfd: 8,
    uapi.InfoError: 12,
    uapi.InfoRange: 24,
    uapi.InfoMnt: 16,
    uapi.PermissionResponse: 8,
    uapi.ResponseInfoAuditRule: 16,
}


@pytest.mark.parametrize(("flags", "names"), SPELLED, ids=str)
def test_flags_print_as_names(flags: Flags, names: str) -> None:
    assert f"{flags}" == str(flags) == repr(flags) == names
    assert f"{flags:#x}" == hex(flags)


@pytest.mark.parametrize(("struct", "size"), SIZES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_sizes(struct: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(struct) == size


def test_deny_errno() -> None:
    assert uapi.deny_errno(EIO) == 0x05000002
