# SPDX-License-Identifier: GPL-2.0-or-later
"""One disposable VM: a QEMU process without a network card, a disk or a folder of the host."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from vm import image, tools
from vm.errors import BootError, VmError
from vm.kernels import Kernel

MEMORY = 512
"""MiB of memory of a VM."""

READY = "fapitest: ready"
BOOT_DEADLINE = {"kvm": 10.0, "tcg": 25.0}
"""Seconds from QEMU's start until the guest must be ready; times the number of VMs that share a core."""

SLOWNESS = {"kvm": 1.0, "tcg": 5.0}
"""By how much deadlines in a guest stretch."""

CONSOLE_LINES = 60
"""How many of the last console lines are kept with the result of a lost VM."""

_CPU = {"kvm": "host", "tcg": "max,la57=off"}
_COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 oops=panic random.trust_cpu=on tsc=reliable no_timer_check audit=1"
)
_KILLED_FOR = {"hang": "it stood still", "lost": "its worker ended before its time"}
_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")


class Machine:
    """A VM of one kernel, from start to end.

    Attributes:
        kernel: the kernel that it boots.
        accel: ``kvm`` or ``tcg``.
        directory: where its console log and the files that the guest sends are kept.
    """

    def __init__(
        self, kernel: Kernel, *, accel: str, directory: Path, environment: Mapping[str, str], number: int = 1
    ) -> None:
        """Describe the VM.

        `number` counts the VMs of this kernel in this run; `environment` is set for the guest's Python.
        """
        self.kernel = kernel
        self.accel = accel
        self.directory = directory
        self.number = number
        self._environment = {
            "FAPITEST_KERNEL": kernel.name,
            "FAPITEST_ACCEL": accel,
            "FAPITEST_SLOW": str(SLOWNESS[accel]),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._killed_for: str | None = None
        self.started = 0.0
        # A unix socket's path is limited to 108 bytes, so it can not lie in a run directory of any length.
        self._scratch = Path(tempfile.mkdtemp(prefix="fapitest-"))

    @property
    def socket(self) -> Path:
        """The unix socket at which QEMU serves the gateway's port."""
        return self._scratch / "gateway"

    @property
    def console_log(self) -> Path:
        """The VM's console, as a file."""
        return self.directory / ("console.log" if self.number == 1 else f"console-{self.number}.log")

    @property
    def files(self) -> Path:
        """The tar stream of files that the guest sends out."""
        return self.directory / f"files-{self.number}.tar"

    def start(self) -> None:
        """Start QEMU, its console going to the log; returns at once.

        Raises:
            VmError: QEMU is missing, or the files that a VM needs can not be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            command = self._command(f"file,id=console,path={self.console_log}")
            self.started = time.monotonic()
            with (self._scratch / "qemu.log").open("wb") as log:
                # A session of its own keeps Ctrl-C from reaching QEMU before us.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self.kill()
            raise VmError(f"a VM for {self.kernel.name} can not be started: {error}") from error

    def interact(self) -> int:
        """Run QEMU with its console on this terminal until the guest powers off; return QEMU's exit code."""
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            return subprocess.run(self._command("stdio,id=console,signal=off"), check=False).returncode
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _command(self, console: str) -> list[str]:
        initramfs = self._scratch / "initramfs"
        image.initramfs(initramfs, self.kernel.modules, self._environment)
        options = [
            *(("-accel", self.accel), ("-cpu", _CPU[self.accel]), ("-machine", "q35,usb=off,vmport=off")),
            *(("-smp", "1"), ("-m", str(MEMORY)), ("-nic", "none"), ("-display", "none")),
            ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
            *(("-kernel", self.kernel.image), ("-initrd", initramfs), ("-append", _COMMAND_LINE)),
            *(("-chardev", console), ("-serial", "chardev:console"), ("-device", "virtio-serial-pci")),
            ("-chardev", f"socket,id=gateway,path={self.socket},server=on,wait=off"),
            ("-device", "virtserialport,chardev=gateway,name=gateway"),
            ("-chardev", f"file,id=files,path={self.files}"),
            ("-device", "virtserialport,chardev=files,name=files"),
        ]
        # setpriv ends QEMU with us, however we end.
        program = [tools.path("setpriv"), "--pdeathsig=KILL", tools.path("qemu-system-x86_64")]
        flags = ["-nodefaults", "-no-user-config", "-no-reboot"]
        return [str(word) for word in (*program, *flags, *(word for option in options for word in option))]

    def wait_ready(self, *, load: float = 1.0) -> float:
        """Wait until the guest's Python serves the port; return the seconds that this took since the start.

        `load` is the number of VMs that share a core: the deadline stretches with it.

        Raises:
            BootError: the VM ended or stood still instead; it is gone then.
        """
        deadline = self.started + BOOT_DEADLINE[self.accel] * max(1.0, load)
        while READY not in self.console():
            if not self.alive():
                raise self._boot_error("ended before it was ready")
            if time.monotonic() > deadline:
                self.kill("hang")
                raise self._boot_error(f"was not ready after {deadline - self.started:.0f} s")
            time.sleep(0.02)
        (self._scratch / "initramfs").unlink(missing_ok=True)
        return time.monotonic() - self.started

    def _boot_error(self, what: str) -> BootError:
        end, reason = self.ending()
        self.kill()
        text = f"the VM of {self.kernel.name} ({self.accel}) {what}: {reason}"
        return BootError(text, end=end, console=self.console_end())

    def alive(self) -> bool:
        """Whether the QEMU process still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        assert self._process is not None
        return self._process.pid

    def kill(self, reason: str | None = None) -> None:
        """End the VM, if it still runs, and remove its scratch files.

        `reason` (``hang`` or ``lost``) is what `ending` tells then.
        """
        if reason and self.alive():
            self._killed_for = reason
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._keep_qemu_log()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def wait(self, deadline: float) -> bool:
        """Wait until QEMU has ended by itself; False when it still runs after `deadline` seconds."""
        assert self._process is not None
        try:
            self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _keep_qemu_log(self) -> None:
        with contextlib.suppress(OSError):
            if said := (self._scratch / "qemu.log").read_text(errors="replace").strip():
                self._qemu_said = said

    _qemu_said = ""

    def ending(self) -> tuple[str, str]:
        """Say how a VM that is no longer there ended: (``panic`` | ``hang`` | ``lost``, why, in words)."""
        if self._killed_for:
            return self._killed_for, _KILLED_FOR[self._killed_for]
        console = self.console()
        if panic := _PANIC.search(console):
            return "panic", f"Kernel panic: {panic[1].strip()}"
        self._keep_qemu_log()
        code = self._process.poll() if self._process else None
        if self._qemu_said:
            return "lost", f"QEMU said: {self._qemu_said.splitlines()[-1]}"
        if code is not None and code < 0:
            return "lost", f"QEMU was killed by signal {-code}"
        said = [line for line in console.splitlines() if line.startswith("fapitest: ")]
        return "lost", said[-1].removeprefix(
            "fapitest: "
        ) if said else "it vanished without a word on its console"

    def console(self) -> str:
        """Return all that the VM has printed on its console so far."""
        try:
            return self.console_log.read_bytes().decode("utf-8", "replace").replace("\r", "")
        except OSError:
            return ""

    def console_end(self) -> str:
        """Return the last lines of the console."""
        return "\n".join(self.console().splitlines()[-CONSOLE_LINES:])


def memory_available() -> int:
    """Return the MiB of memory that this machine could give to VMs."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def default_jobs() -> int:
    """Return how many VMs this machine takes at once: one per core, as long as the free memory holds them."""
    return max(1, min(os.cpu_count() or 1, memory_available() // (MEMORY + 128)))


def load(machines: int) -> float:
    """Return how many VMs share a core when this many run."""
    return machines / (os.cpu_count() or 1)
