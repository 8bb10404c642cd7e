# SPDX-License-Identifier: GPL-2.0-or-later
"""Filesystems for tests: mounts, and disk filesystems on loop devices."""

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers import fdinfo, skips
from helpers.errors import OK, errno_name, outcome
from helpers.syscalls import syscall
from helpers.uapi import AT_FDCWD

MNT_DETACH = 0x2
"""umount2(2): detach the mount now, and unmount it when it is no longer busy."""
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1, 0x20, 0x1000, 0x2000, 0x4000, 0x40000
"""Flags of mount(2)."""

_STATX_MNT_ID_UNIQUE = 0x4000
_STATX_SIZE, _STX_MNT_ID = 256, slice(0x90, 0x98)

# _IOW(0x94, 14, struct btrfs_ioctl_vol_args), linux/btrfs.h: a descriptor, and a name of up to 4088 bytes.
_BTRFS_IOC_SUBVOL_CREATE = 1 << 30 | 4096 << 16 | 0x94 << 8 | 14

# _IOR('X', 125, __u32), XFS_IOC_GOINGDOWN of xfs, which other filesystems have too; flag: do not flush the log.
_FS_IOC_SHUTDOWN, _NO_LOG_FLUSH = 2 << 30 | 4 << 16 | ord("X") << 8 | 125, 2

# linux/mount.h
_FSOPEN_CLOEXEC = 1

# linux/loop.h: ioctls, the offset of lo_flags in struct loop_config, the size of that structure.
_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_LO_FLAGS_AUTOCLEAR = 4
_LO_FLAGS_OFFSET, _LOOP_CONFIG_SIZE = 60, 304

_MEBIBYTE = 1 << 20


def mount(source: str, target: Path, kind: str, flags: int = 0, data: str = "") -> None:
    """Call mount(2); raise OSError naming the filesystem and the target."""
    syscall(
        *("mount", source.encode(), os.fsencode(target), kind.encode(), flags, data.encode()),
        shown=lambda: f"mount({source!r}, {str(target)!r}, {kind!r}, {flags:#x}, {data!r})",
    )


def umount(target: Path, flags: int = 0) -> None:
    """Call umount2(2); raise OSError naming the target."""
    syscall("umount2", os.fsencode(target), flags, shown=lambda: f"umount2({str(target)!r}, {flags:#x})")


def unique_mount_id(path: Path) -> int:
    """Return the id of the mount that a path is on, which is never reused (STATX_MNT_ID_UNIQUE, since 6.8)."""
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    syscall("statx", AT_FDCWD, os.fsencode(path), 0, _STATX_MNT_ID_UNIQUE, buffer)
    return int.from_bytes(buffer.raw[_STX_MNT_ID], sys.byteorder)


def mount_id(path: Path) -> int:
    """Return the id of the mount that a path is on, as in /proc/self/mountinfo."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        found = re.search(r"^mnt_id:\t(\d+)$", fdinfo.read_text(fd), re.MULTILINE)
    finally:
        os.close(fd)
    assert found, "fdinfo has no mnt_id: proc_pid_fdinfo(5)"
    return int(found[1])


def mount_point(path: Path) -> Path:
    """Return the mount point of the mount that a path is on."""
    return Path(_mountinfo(path)[4])


def device_number(path: Path) -> tuple[int, int]:
    """Return the major and minor number of the filesystem that a path is on.

    Those of stat(2) can differ: on btrfs they belong to the subvolume.
    """
    major, minor = _mountinfo(path)[2].split(":")
    return int(major), int(minor)


def _mountinfo(path: Path) -> list[str]:
    wanted = str(mount_id(path))
    mounts = map(str.split, Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines())
    return next(fields for fields in mounts if fields[0] == wanted)


@contextlib.contextmanager
def mounted(source: str, target: Path, kind: str, flags: int = 0, data: str = "") -> Iterator[Path]:
    """Mount a filesystem for the body of a `with`; make the target directory if necessary.

    Skips the test if the kernel has no such filesystem (ENODEV of mount(2)).
    """
    target.mkdir(exist_ok=True)
    try:
        mount(source, target, kind, flags, data)
    except OSError as error:
        if error.errno == errno.ENODEV:
            skips.filesystem(f"this kernel has no {kind}")
        raise
    try:
        yield target
    finally:
        umount(target, MNT_DETACH)


@functools.cache
def is_known(kind: str) -> bool:
    """Tell whether the kernel has a filesystem, be it in a module; fsopen(2), ERRORS, ENODEV."""
    return outcome(lambda: os.close(syscall("fsopen", kind.encode(), _FSOPEN_CLOEXEC))) != errno.ENODEV


_MKFS = {
    # size in MiB, and the command, to which the image is added
    "ext4": (16, ["mkfs.ext4", "-q", "-F"]),
    # Without the features that Linux 5.10 does not have, or calls experimental.
    "xfs": (16, ["mkfs.xfs", "-q", "-m", "bigtime=0,inobtcount=0", "-i", "nrext64=0"]),
    "btrfs": (110, ["mkfs.btrfs", "-q"]),
}
DISK_FILESYSTEMS = tuple(_MKFS)
"""The filesystems that `disk` can make."""
FILESYSTEMS = ("tmpfs", *DISK_FILESYSTEMS, "btrfs-subvolume", "overlay")
"""The filesystems on which tests can run."""
_MADE_OF = {"btrfs-subvolume": ("btrfs",), "overlay": ("ext4", "overlay")}


def made_of(name: str) -> tuple[str, ...]:
    """Return the filesystems of the kernel of which one of `FILESYSTEMS` is made; any other is made of itself."""
    return _MADE_OF.get(name, (name,))


# With these variables set mkfs.xfs makes a filesystem smaller than 300 MiB: it takes the caller for fstests.
_MKFS_ENVIRONMENT = {"TEST_DIR": "/", "TEST_DEV": "/", "QA_CHECK_FS": "/"}


@contextlib.contextmanager
def disk(directory: Path, kind: str) -> Iterator[Path]:
    """Mount a new disk filesystem on a loop device below `directory`, for the body of a `with`."""
    with mounted_image(disk_image(directory, kind), kind) as target:
        yield target


def subvolume(path: Path) -> Path:
    """Make a subvolume of a btrfs, and return its path."""
    arguments = bytearray(8) + os.fsencode(path.name).ljust(4088, b"\0")
    volume = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(volume, _BTRFS_IOC_SUBVOL_CREATE, arguments)
    finally:
        os.close(volume)
    return path


@contextlib.contextmanager
def overlay(layers: Path, target: Path) -> Iterator[Path]:
    """Mount an overlayfs for the body of a `with`; its layers are in `layers`, a new directory."""
    directories = [layers / name for name in ("lower", "upper", "work")]
    options = "lowerdir={},upperdir={},workdir={}".format(*directories)
    with contextlib.ExitStack() as undo:
        layers.mkdir()
        undo.callback(shutil.rmtree, layers)
        for directory in directories:
            directory.mkdir()
        yield undo.enter_context(mounted("fapitest", target, "overlay", data=options))


def shut_down(mount_point: Path) -> None:
    """Shut a filesystem down, as if its disk had been removed; skip the test if it does not support that."""
    directory = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(directory, _FS_IOC_SHUTDOWN, _NO_LOG_FLUSH.to_bytes(4, sys.byteorder))
    except OSError as error:
        if error.errno == errno.ENOTTY:
            skips.filesystem("this filesystem cannot be shut down")
        raise
    finally:
        os.close(directory)


def abort_ext4(mount_point: Path) -> None:
    """Have ext4 meet an error that belongs to no inode; Documentation/admin-guide/ext4.rst, abort."""
    # Linux 5.10 then goes on with the remount, and finds the filesystem read-only.
    answer = outcome(mount, "none", mount_point, "ext4", MS_REMOUNT, "abort")
    assert answer in {OK, errno.EROFS}, f"ext4 does not abort: {errno_name(answer)}"


def disk_image(directory: Path, kind: str) -> Path:
    """Make a disk filesystem in a new file of a directory, and return the file."""
    mebibytes, command = _MKFS[kind]
    image = directory / f"{kind}.img"
    with image.open("wb") as file:
        file.truncate(mebibytes * _MEBIBYTE)
    subprocess.run(
        [*command, str(image)], check=True, capture_output=True, env={**os.environ, **_MKFS_ENVIRONMENT}
    )
    return image


@contextlib.contextmanager
def mounted_image(image: Path, kind: str) -> Iterator[Path]:
    """Mount the filesystem of an image beside the image, on a block device, for the body of a `with`."""
    with block_device(image) as device, mounted(device, image.parent / kind, kind) as target:
        yield target


@contextlib.contextmanager
def block_device(image: Path) -> Iterator[str]:
    """Provide an image as a block device: a loop device, or a scratch disk with a copy if the kernel has no loop.

    Skips the test if there is neither.
    """
    if Path("/dev/loop-control").exists():
        with loop_device(image) as device:
            yield device
        return
    with contextlib.ExitStack() as claimed:
        disk = _claim_scratch_disk(claimed)
        shutil.copyfile(image, disk)
        yield disk
        with Path(disk).open(
            "rb"
        ) as written:  # changes to the disk must be in the image, as with a loop device
            image.write_bytes(written.read(image.stat().st_size))


def _claim_scratch_disk(claimed: contextlib.ExitStack) -> str:
    """Lock a scratch disk that nobody else has locked, until the stack is closed; return its path."""
    for disk in filter(None, os.environ.get("FAPITEST_SCRATCH_DISKS", "").split(":")):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), Path(disk).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            claimed.callback(os.close, os.dup(held.fileno()))
            return disk
    return skips.filesystem("this kernel has no block device to mount a filesystem on")


@contextlib.contextmanager
def loop_device(image: Path) -> Iterator[str]:
    """Attach an image to a free loop device, which the kernel frees on its last close; yield its path."""
    with image.open("r+b") as backing, contextlib.ExitStack() as attached:
        config = bytearray(_LOOP_CONFIG_SIZE)
        config[0:4] = backing.fileno().to_bytes(4, "little")
        config[_LO_FLAGS_OFFSET] = _LO_FLAGS_AUTOCLEAR
        path = _configure_free(bytes(config), attached)
        yield path


def _configure_free(config: bytes, attached: contextlib.ExitStack) -> str:
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    attached.callback(os.close, control)
    while True:
        path = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        attached.callback(os.close, device)
        try:
            fcntl.ioctl(device, _LOOP_CONFIGURE, config)
        except OSError as error:
            if error.errno != errno.EBUSY:  # Another process has taken the device in the meantime.
                raise
        else:
            return path
