# SPDX-License-Identifier: GPL-2.0-or-later
"""The parsers of fdinfo, tested with the output of real kernels."""

import os
from collections.abc import Callable

import pytest

from helpers import fdinfo

GROUP_6_18 = """\
pos:\t0
flags:\t02004002
mnt_id:\t17
ino:\t1038
fanotify flags:203 event-flags:8002
fanotify sdev:1b mflags:0 mask:20 ignored_mask:0
fanotify mnt_id:1e mflags:0 mask:20 ignored_mask:0
fanotify ino:20c00c sdev:fe00000 mflags:0 mask:20 ignored_mask:0 \
fhandle-bytes:8 fhandle-type:1 f_handle:0cc02000d76ee8cb
"""
MOUNT_NAMESPACE_6_18 = """\
pos:\t0
flags:\t02
mnt_id:\t17
ino:\t1038
fanotify flags:4000 event-flags:8000
fanotify mnt_ns:4026531832 mflags:0 mask:1000000 ignored_mask:0
"""
GROUP_5_10 = """\
pos:\t0
flags:\t02000002
mnt_id:\t13
fanotify flags:c01 event-flags:8000
fanotify sdev:700000 mflags:0 mask:8000020 ignored_mask:0
fanotify mnt_id:1b mflags:0 mask:8000020 ignored_mask:0
fanotify ino:c sdev:700000 mflags:0 mask:120 ignored_mask:0 \
fhandle-bytes:8 fhandle-type:1 f_handle:0c000000d6193b07
"""
PIDFD_5_10 = "pos:\t0\nflags:\t02000002\nmnt_id:\t13\nPid:\t94\nNSpid:\t94\t1\n"
PIDFD_7_2 = "pos:\t0\nflags:\t02000002\nmnt_id:\t5\nino:\t117\nPid:\t117\nNSpid:\t117\t1\n"
PIDFD_REAPED_7_2 = "pos:\t0\nflags:\t02000002\nmnt_id:\t5\nino:\t117\nPid:\t-1\nNSpid:\t-1\n"
PIDFD_6_18 = "pos:\t0\nflags:\t02000002\nmnt_id:\t4\nino:\t4723\nPid:\t4722\nNSpid:\t4722\n"


def test_group_with_marks_of_three_kinds() -> None:
    group = fdinfo.parse_group(GROUP_6_18)
    assert (group.flags, group.mnt_id, group.ino) == (0o2004002, 17, 1038)
    assert (group.init_flags, group.event_flags) == (0x203, 0x8002)
    assert group.marks == {
        fdinfo.FilesystemMark(mflags=0, mask=0x20, ignored_mask=0, sdev=0x1B),
        fdinfo.MountMark(mflags=0, mask=0x20, ignored_mask=0, mnt_id=30),
        fdinfo.InodeMark(
            mflags=0,
            mask=0x20,
            ignored_mask=0,
            ino=0x20C00C,
            sdev=fdinfo.kernel_device(254, 0),
            handle_type=1,
            handle=bytes.fromhex("0cc02000d76ee8cb"),
        ),
    }


def test_group_without_an_inode_number() -> None:
    group = fdinfo.parse_group(GROUP_5_10)
    assert (group.ino, group.init_flags, len(group.marks)) == (None, 0xC01, 3)


def test_mount_namespace_is_decimal() -> None:
    (mark,) = fdinfo.parse_group(MOUNT_NAMESPACE_6_18).marks
    assert mark == fdinfo.MountNamespaceMark(mflags=0, mask=0x1000000, ignored_mask=0, mnt_ns=4026531832)


@pytest.mark.parametrize(
    ("text", "ino", "pid", "nspid"),
    [
        pytest.param(PIDFD_5_10, None, 94, (94, 1), id="5.10-in-a-child-namespace"),
        pytest.param(PIDFD_6_18, 4723, 4722, (4722,), id="6.18"),
        pytest.param(PIDFD_7_2, 117, 117, (117, 1), id="7.2-in-a-child-namespace"),
        pytest.param(PIDFD_REAPED_7_2, 117, -1, (-1,), id="7.2-reaped"),
    ],
)
def test_pidfd(text: str, ino: int | None, pid: int, nspid: tuple[int, ...]) -> None:
    info = fdinfo.parse_pidfd(text)
    assert (info.ino, info.pid, info.nspid) == (ino, pid, nspid)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        pytest.param(fdinfo.parse_pidfd, "", id="nothing"),
        pytest.param(fdinfo.parse_pidfd, PIDFD_6_18 + "Colour:\tred\n", id="unknown-line"),
        pytest.param(fdinfo.parse_pidfd, PIDFD_6_18.removesuffix("NSpid:\t4722\n"), id="line-missing"),
        pytest.param(fdinfo.parse_pidfd, PIDFD_6_18.replace("NSpid:\t", "NSpid: "), id="other-separator"),
        pytest.param(fdinfo.parse_group, GROUP_6_18.replace("mask:20", "mask:0x20"), id="other-base"),
        pytest.param(fdinfo.parse_group, GROUP_6_18.replace("-bytes:8", "-bytes:9"), id="handle-too-short"),
        pytest.param(fdinfo.parse_group, GROUP_6_18 + "fanotify colour:3\n", id="unknown-mark"),
        pytest.param(
            fdinfo.parse_group, MOUNT_NAMESPACE_6_18 + MOUNT_NAMESPACE_6_18.splitlines()[-1], id="mark-twice"
        ),
    ],
)
def test_anything_else_is_an_assertion_error(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(AssertionError):
        parse(text)


def test_this_kernel_is_understood() -> None:
    fd = os.pidfd_open(os.getpid())
    try:
        assert fdinfo.read_pidfd(fd).pid == os.getpid()
    finally:
        os.close(fd)
