# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants have and print their names in C, and structures have their sizes in C."""

import ctypes
from errno import EIO

import pytest

from helpers import uapi
from helpers.uapi import (
    CAP_KILL,
    FAN_AUDIT,
    FAN_CLASS_CONTENT,
    FAN_DENY,
    FAN_MARK_ADD,
    FAN_MARK_FILESYSTEM,
    FAN_MARK_FLUSH,
    FAN_MARK_MNTNS,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FID,
    FAN_REPORT_NAME,
    FAN_REPORT_PIDFD,
    O_CLOEXEC,
    O_RDONLY,
    O_RDWR,
    Constants,
    Flags,
    Init,
    Mask,
    Open,
)

SPELLED = [
    (Init(0), "FAN_CLASS_NOTIF"),
    (FAN_REPORT_PIDFD | FAN_CLASS_CONTENT, "FAN_CLASS_CONTENT|FAN_REPORT_PIDFD"),
    (FAN_REPORT_DIR_FID | FAN_REPORT_NAME, "FAN_REPORT_DFID_NAME"),
    (FAN_REPORT_DFID_NAME_TARGET, "FAN_REPORT_DFID_NAME_TARGET"),
    (Init(0x80018000), "0x80018000"),
    (Init(0x8000) | FAN_REPORT_FID, "FAN_REPORT_FID|0x8000"),
    (FAN_MARK_ADD | FAN_MARK_MNTNS, "FAN_MARK_ADD|FAN_MARK_MNTNS"),
    (FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, "FAN_MARK_FLUSH|FAN_MARK_FILESYSTEM"),
    (Mask(0), "0x0"),
    (FAN_OPEN | FAN_ONDIR, "FAN_OPEN|FAN_ONDIR"),
    (O_RDONLY, "O_RDONLY"),
    (O_RDWR | O_CLOEXEC, "O_RDWR|O_CLOEXEC"),
    (Open(3), "O_ACCMODE"),
    (FAN_DENY | FAN_AUDIT, "FAN_DENY|FAN_AUDIT"),
]

KINDS = [
    kind
    for kind in vars(uapi).values()
    if isinstance(kind, type) and issubclass(kind, Flags | Constants) and kind.__members__
]

# As computed by a C compiler from the header.
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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_constant_is_found_under_its_own_name(kind: type[Flags] | type[Constants]) -> None:
    missing = {name for name, member in kind.__members__.items() if getattr(uapi, name, None) is not member}
    assert not missing


def test_constants_print_as_names() -> None:
    assert f"{CAP_KILL}" == str(CAP_KILL) == repr(CAP_KILL) == "CAP_KILL"
    assert f"{CAP_KILL:d}" == "5"


@pytest.mark.parametrize(("struct", "size"), SIZES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_sizes(struct: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(struct) == size


def test_deny_errno() -> None:
    assert uapi.FAN_DENY_ERRNO(EIO) == 0x05000002
