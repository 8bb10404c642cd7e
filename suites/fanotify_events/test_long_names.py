# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of more bytes than NAME_MAX, which filesystems have that count in characters."""

import subprocess

import pytest

from helpers.events import FidRecord
from helpers.fanotify import watching
from helpers.filesystems import block_device, mounted
from helpers.requirements import requires
from helpers.uapi import FAN_CREATE, FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_REPORT_DFID_NAME

NAME_MAX = 255
MEBIBYTE = 1 << 20
CHARACTER = "\u754c"
"""Of three bytes in UTF-8."""


@pytest.fixture
@requires(fs="vfat")
def vfat_dir(public_dir):
    image = public_dir / "vfat.img"
    with image.open("wb") as file:
        file.truncate(40 * MEBIBYTE)
    subprocess.run(["busybox", "mkdosfs", image], check=True, capture_output=True)
    with (
        block_device(image) as device,
        mounted(device, public_dir / "vfat", "vfat", data="utf8,iocharset=iso8859-1") as mount_point,
    ):
        yield mount_point


def reported_name(directory, name):
    with watching(directory, FAN_CREATE, FAN_REPORT_DFID_NAME) as group:
        (directory / name).touch()
        record = group.read_one().one(FidRecord)
        assert record.type == FAN_EVENT_INFO_TYPE_DFID_NAME
        return record.name.decode()


@pytest.mark.behaviour("META-LONGNAME")
def test_longest_usual_name(vfat_dir):
    name = CHARACTER * (NAME_MAX // 3)
    assert reported_name(vfat_dir, name) == name


@pytest.mark.behaviour("META-LONGNAME")
@pytest.mark.parametrize("length", [NAME_MAX // 3 + 1, NAME_MAX])
def test_longer_name(vfat_dir, length):
    assert reported_name(vfat_dir, CHARACTER * length) == CHARACTER * length
