# SPDX-License-Identifier: GPL-2.0-or-later
"""Decides between KVM and emulation, by trying.

That /dev/kvm is there does not mean that it works: on some hosts QEMU aborts at once, on others the guest stands still
without a word. So a VM is booted with it, once; the answer is kept per machine, kernel and QEMU.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from vm import cache, tools
from vm.errors import BootError, VmError
from vm.kernels import Kernel

DEVICE = Path("/dev/kvm")
OLDEST_QEMU = (5, 2)
"""Debian 11's; older ones lack options that a VM is started with."""


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
    """Return ``kvm`` or ``tcg``: what is wanted, or for ``auto`` what works here, with a notice when that is emulation.

    Raises:
        VmError: QEMU is missing or too old, or KVM is wanted and can not be used.
    """
    version = qemu_version()
    if wanted == "tcg":
        return "tcg"
    works, reason = kvm(version, kernel)
    if works:
        return "kvm"
    if wanted == "kvm":
        raise VmError(f"--accel kvm: {reason}")
    print(f"fapitest: KVM is not used ({reason}); emulating", file=sys.stderr, flush=True)
    return "tcg"


def kvm(version: tuple[int, ...], kernel: Kernel, *, again: bool = False) -> tuple[bool, str]:
    """Return whether a VM really comes up with KVM here, and in words why not."""
    if not DEVICE.exists():
        return False, f"this machine has no {DEVICE}"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return False, f"{DEVICE} may not be opened by this user; join the group kvm"
    key = hashlib.sha256(json.dumps([version, os.uname(), _boot_id(), "1"]).encode()).hexdigest()[:16]
    answer = cache.root() / "kvm" / f"{key}.json"
    with cache.lock("kvm"), cache.writing():
        if answer.exists() and not again:
            works, reason = json.loads(answer.read_text())
            return bool(works), str(reason)
        works, reason = _try(kernel)
        answer.parent.mkdir(parents=True, exist_ok=True)
        making = answer.with_suffix(".new")
        making.write_text(json.dumps([works, reason]))
        making.replace(answer)
    return works, reason


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _try(kernel: Kernel) -> tuple[bool, str]:
    from vm.machine import Machine  # noqa: PLC0415  machine needs what this module decides

    with tempfile.TemporaryDirectory() as directory:
        machine = Machine(kernel, accel="kvm", directory=Path(directory))
        try:
            machine.start()
            machine.wait_ready()
        except BootError as error:
            return False, str(error)
        finally:
            machine.kill()
    return True, ""
