# SPDX-License-Identifier: GPL-2.0-or-later
"""Decides between KVM and emulation by booting a VM.

/dev/kvm may exist and not work: on some hosts QEMU aborts at once, on others the guest hangs without console output.
So one VM is booted with KVM, and the result is cached for this machine, kernel and QEMU.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from vm import cache, scratch, tools
from vm.bootimage import Kernel
from vm.errors import BootError, VmError

DEVICE = Path("/dev/kvm")
OLDEST_QEMU = (5, 2)
"""The version of Debian 11; older ones lack options that VMs need."""


def qemu_version() -> tuple[int, ...]:
    """Return QEMU's version.

    Raises:
        VmError: it is missing or too old.
    """
    qemu = tools.path("qemu-system-x86_64")
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False).stdout
    words = said.split()
    number = words[words.index("version") + 1] if "version" in words else "0"
    version = tuple(int(part) for part in number.split(".") if part.isdigit())
    if version < OLDEST_QEMU:
        raise VmError(f"{qemu} is version {number}; {'.'.join(map(str, OLDEST_QEMU))} or newer is needed")
    return version


def choose(wanted: str, kernel: Kernel) -> str:
    """Return ``kvm`` or ``tcg``: `wanted`, or for ``auto`` what works here, with a notice if that is emulation.

    Raises:
        VmError: QEMU is missing or too old, or KVM is wanted and cannot be used.
    """
    version = qemu_version()
    if wanted == "tcg":
        return "tcg"
    works, reason = kvm(version, kernel)
    if works:
        return "kvm"
    if wanted == "kvm":
        raise VmError(f"--accel kvm: {reason}")
    _say("KVM does not work here; emulating (python -m vm doctor says why)")
    return "tcg"


def kvm(version: tuple[int, ...], kernel: Kernel, *, again: bool = False) -> tuple[bool, str]:
    """Return whether a VM boots with KVM here, and if not, why, as text."""
    if not DEVICE.exists():
        return False, f"this machine has no {DEVICE}"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return False, f"{DEVICE} may not be opened by this user; join the group kvm"
    machine = [version, os.uname(), _boot_id(), "2"]
    # A successful boot holds for every kernel; a failed one may be the fault of this kernel.
    good, bad = _answer([*machine, True]), _answer([*machine, kernel.key or str(kernel.image)])
    with cache.lock("kvm"), cache.writing():
        if good.exists() and not again:
            return True, ""
        if bad.exists() and not again:
            return False, bad.read_text()
        _say("a VM is booted to see whether KVM works here")
        works, reason = _try(kernel)
        good.parent.mkdir(parents=True, exist_ok=True)
        for answer in (good, bad):
            answer.unlink(missing_ok=True)
        making = good.with_suffix(".new")
        making.write_text(reason)
        making.replace(good if works else bad)
    return works, reason


def _answer(facts: list[object]) -> Path:
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return cache.root() / "kvm" / f"{digest[:16]}.txt"


def _say(text: str) -> None:
    print(f"fapitest: {text}", file=sys.stderr, flush=True)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _try(kernel: Kernel) -> tuple[bool, str]:
    from vm.machine import Machine  # noqa: PLC0415  machine imports this module

    with scratch.directory() as directory:
        machine = Machine(kernel, accel="kvm", directory=directory)
        try:
            machine.start()
            machine.wait_ready()
        except BootError as error:
            return False, str(error)
        finally:
            machine.kill()
    return True, ""
