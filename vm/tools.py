# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's programs that a run needs, and their Debian packages."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from vm import apt
from vm.apt import AptError
from vm.errors import VmError

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "mkfs.ext4": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
    "ldd": "libc-bin",
    "setpriv": "util-linux",
    "dpkg-deb": "dpkg",
}
"""Program -> Debian package, for runs in VMs."""

_OTHERS = {"ssh": "openssh-client"}
"""The same for programs that only some runs need."""

BUILD_PACKAGES = {
    "gcc": "gcc",
    "ld": "binutils",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
    "patch": "patch",
    "tar": "tar",
    "xz": "xz-utils",
    "dpkg-deb": "dpkg",
}
"""Program -> Debian package, for building a reference kernel; see also `BUILD_HEADERS`."""

BUILD_HEADERS = {"gelf.h": "libelf-dev", "stdio.h": "libc6-dev"}
"""Header -> Debian package, for compiling the kernel's host tools."""

GUEST_PROGRAMS = ("mkfs.ext4", "debugfs", "mkfs.xfs", "mkfs.btrfs")
"""Programs that are copied into the guest, with their libraries."""

_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"


def find(program: str) -> Path | None:
    """Return the path of a program, also in directories for administrators, or None."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    return Path(found) if found else None


def path(program: str) -> Path:
    """Return the path of a program.

    Raises:
        VmError: it is missing; the text names the package to install.
    """
    if found := find(program):
        return found
    raise VmError(
        f"{program} is missing; install it: apt install {(PACKAGES | BUILD_PACKAGES | _OTHERS).get(program, program)}"
    )


def missing() -> list[str]:
    """Return the Debian packages whose programs are missing on this machine, without duplicates."""
    absent = [package for program, package in PACKAGES.items() if not find(program)]
    if (busybox := find("busybox")) and _is_dynamic(busybox):
        absent.append("busybox-static")
    return list(dict.fromkeys(absent))


def missing_for_builds() -> list[str]:
    """Return the missing Debian packages that building a reference kernel needs, without duplicates."""
    absent = [package for program, package in BUILD_PACKAGES.items() if not find(program)]
    if find("gcc"):
        absent += [package for header, package in BUILD_HEADERS.items() if not _includes(header)]
    else:
        absent += BUILD_HEADERS.values()
    return list(dict.fromkeys(absent))


def _includes(header: str) -> bool:
    command = ["gcc", "-E", "-x", "c", "-", "-o", os.devnull]
    source = f"#include <{header}>\n"
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode == 0


def not_installed(packages: Iterable[str]) -> list[str]:
    """Return those of the named Debian packages that are not installed."""
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}"]
    states = {
        p: subprocess.run([*command, p], capture_output=True, text=True, check=False).stdout for p in packages
    }
    return [package for package, state in states.items() if state != "installed"]


def _is_dynamic(program: Path) -> bool:
    return subprocess.run(["ldd", program], capture_output=True, check=False).returncode == 0


def install(packages: Iterable[str], progress: apt.Progress = apt.quiet) -> None:
    """Install Debian packages as root, after updating apt's lists if they are missing or outdated.

    Raises:
        VmError: not root, no apt, or apt failed; the text says what to do.
    """
    names = list(packages)
    if not names:
        return
    if os.geteuid() != 0 or not find("apt-get"):
        absent = " ".join(names)
        command = f"apt update && apt install --yes --no-install-recommends {absent}"
        raise VmError(f"this machine lacks: {absent}; as root: {command}")
    lists = apt.ask("apt-get", "indextargets", "--format", "$(FILENAME)")
    complaint = "" if lists else _update_lists(progress)
    try:
        try:
            _install(names, progress)
        except AptError:
            if not lists:
                raise
            complaint = _update_lists(progress)
            _install(names, progress)
    except AptError as error:
        raise VmError(f"apt could not install {' '.join(names)}: {error}{complaint}") from error


def _update_lists(progress: apt.Progress) -> str:
    """Update apt's lists; return the error, which may be of a source that is not needed."""
    settings = {**apt.PATIENCE, "Acquire::Retries": "0", "APT::Update::Error-Mode": "any"}
    command = ["apt-get", *apt.options(settings), "-qq", "update"]
    try:
        apt.work(*command, what="updating apt's lists of packages", progress=progress, silence=60.0)
    except AptError as error:
        return f"; its lists could not all be updated: {error}"
    return ""


def _install(names: list[str], progress: apt.Progress) -> None:
    # Another program may hold the lock, as on a machine that has just booted.
    settings = apt.options({**apt.PATIENCE, "DPkg::Lock::Timeout": "120"})
    command = ["apt-get", *settings, "-qq", "--yes", "--no-install-recommends", "install", *names]
    what = " ".join(names)
    apt.work(*command, "--download-only", what=f"fetching {what}", progress=progress, silence=180.0)
    # No timeout, because packages must not be left half unpacked.
    apt.work(*command, what=f"installing {what}", progress=progress, silence=math.inf, limit=math.inf)
