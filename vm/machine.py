# SPDX-License-Identifier: GPL-2.0-or-later
"""One disposable VM: a QEMU process without a network card, a disk or a folder of the host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from vm import accel, cache, image, state, tools
from vm.errors import BootError, VmError
from vm.kernels import Kernel

MEMORY = 512
"""MiB of memory of a VM."""

GATEWAY = Path(__file__).parent / "gateway.py"
STATE, CONSOLE = "state", "console.log"
STATES_KEPT = 3
"""How many saved states of a kernel are kept, of about 300 MB each."""

SCRATCH_DISKS = 4
SCRATCH_DISK_SIZE = 128 << 20
"""How many disks, of how many bytes, a VM gets whose kernel may lack loop devices: sparse files that end with it."""

READY = "fapitest: ready"
BOOT_DEADLINE = {"kvm": 10.0, "tcg": 50.0}
"""Seconds from QEMU's start until the guest must be ready; times the number of VMs that share a core."""

SLOWNESS = {"kvm": 1.0, "tcg": 5.0}
"""By how much deadlines in a guest stretch."""

CONSOLE_LINES = 60
"""How many of the last console lines are kept with the result of a lost VM."""

_CPU = {"kvm": "host", "tcg": "max,la57=off"}
_COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 oops=panic random.trust_cpu=on tsc=reliable no_timer_check audit=1"
    # A group that is closed waits for a grace period, 6 to 12 ms in which the VM's processor stands still; most tests
    # close one. Documentation/admin-guide/kernel-parameters.txt
    " rcupdate.rcu_expedited=1"
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

    def __init__(self, kernel: Kernel, *, accel: str, directory: Path, number: int = 1) -> None:
        """Describe the VM; `number` counts the VMs of this kernel in this run."""
        self.kernel = kernel
        self.accel = accel
        self.directory = directory
        self.number = number
        self.started = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._killed_for: str | None = None
        self._restoring = False
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
        """Start QEMU, its console going to the log, from a saved state if there is one; returns at once.

        Raises:
            VmError: QEMU is missing, or the files that a VM needs can not be written.
        """
        saved = self._state_directory()
        self._restoring = saved is not None and cache.stored(saved) is not None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if saved and self._restoring:
                os.utime(saved)
                shutil.copyfile(saved / CONSOLE, self.console_log)
                with (saved / STATE).open("rb") as content:
                    self._run_qemu("-incoming", _incoming(content), keep=[content.fileno()])
            else:
                image.initramfs(self._initramfs, self.kernel.modules)
                self.console_log.write_bytes(b"")
                self._run_qemu("-initrd", str(self._initramfs))
        except OSError as error:
            self.kill()
            raise VmError(f"a VM for {self.kernel.name} can not be started: {error}") from error

    def _run_qemu(self, *options: str, keep: Iterable[int] = ()) -> None:
        command = [*self._command(f"file,id=console,path={self.console_log},append=on"), *options]
        self.started = time.monotonic()
        with (self._scratch / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=list(keep),
                start_new_session=True,  # keeps Ctrl-C from reaching QEMU before us
            )

    def interact(self) -> int:
        """Run QEMU with its console on this terminal until the guest powers off; return QEMU's exit code."""
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            image.initramfs(self._initramfs, self.kernel.modules, shell=self._environment())
            command = [*self._command("stdio,id=console,signal=off"), "-initrd", str(self._initramfs)]
            return subprocess.run(command, check=False).returncode
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def gateway_spec(self) -> str:
        """Return what execnet needs to make a gateway of the ready guest; it can be used once."""
        order = self._scratch / "order"
        order.write_bytes(image.order(self._environment()))
        return f"popen//python={shlex.join(map(str, (sys.executable, GATEWAY, self.socket, order)))}"

    def _environment(self) -> dict[str, str]:
        disks = [] if self.kernel.loop else [f"/dev/nvme0n{number + 1}" for number in range(SCRATCH_DISKS)]
        return {
            "FAPITEST_KERNEL": self.kernel.name,
            "FAPITEST_ACCEL": self.accel,
            "FAPITEST_SLOW": str(SLOWNESS[self.accel]),
            "FAPITEST_SCRATCH_DISKS": ":".join(disks),
        }

    def _scratch_disks(self) -> Iterator[tuple[str, str]]:
        """The options for disks to mount file systems on, for a kernel that may lack loop devices."""
        if self.kernel.loop:
            return
        yield ("-device", "nvme,id=nvme0,serial=scratch")
        for number in range(SCRATCH_DISKS):
            disk = self._scratch / f"disk{number}"
            with disk.open("wb") as file:
                file.truncate(SCRATCH_DISK_SIZE)
            yield ("-drive", f"if=none,id=disk{number},file={disk},format=raw,cache=unsafe")
            yield ("-device", f"nvme-ns,drive=disk{number},bus=nvme0,nsid={number + 1}")

    @property
    def _initramfs(self) -> Path:
        return self._scratch / "initramfs"

    @property
    def _monitor(self) -> Path:
        return self._scratch / "monitor"

    def _command(self, console: str) -> list[str]:
        options = [
            *_hardware(self.accel),
            ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
            *(("-kernel", self.kernel.image), ("-append", _COMMAND_LINE)),
            *(("-chardev", console), ("-serial", "chardev:console"), ("-device", "virtio-serial-pci")),
            ("-qmp", f"unix:{self._monitor},server=on,wait=off"),
            ("-chardev", f"socket,id=gateway,path={self.socket},server=on,wait=off"),
            ("-device", "virtserialport,chardev=gateway,name=gateway"),
            ("-chardev", f"file,id=files,path={self.files}"),
            ("-device", "virtserialport,chardev=files,name=files"),
            *self._scratch_disks(),
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
        if self._restoring:
            try:
                state.wait_restored(self._monitor, self.alive)
                return time.monotonic() - self.started
            except VmError as error:
                if self._killed_for:
                    raise self._boot_error("was ended before it was ready") from error
                self._forget_state(error)
        self._wait_booted(BOOT_DEADLINE[self.accel] * max(1.0, load))
        return time.monotonic() - self.started

    def _wait_booted(self, patience: float) -> None:
        deadline = self.started + patience
        while READY not in self.console():
            if not self.alive():
                raise self._boot_error("ended before it was ready")
            if time.monotonic() > deadline:
                self.kill("hang")
                raise self._boot_error(f"was not ready after {patience:.0f} s")
            time.sleep(0.02)
        self._initramfs.unlink(missing_ok=True)
        self._save_state()

    def _state_directory(self) -> Path | None:
        """Where the saved state of just such a VM is or would be; None for a VM that is not worth one."""
        # QEMU can not save the state of a VM with NVMe disks.
        if self.kernel.key is None or self.accel != "tcg" or not self.kernel.loop:
            return None
        facts = [2, self.kernel.key, image.base(), accel.qemu_version(), _hardware(self.accel), _COMMAND_LINE]
        key = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
        return cache.root() / "states" / f"{self.kernel.name}-{key}"

    def _save_state(self) -> None:
        """Keep the state of a VM that has just become ready; a run does not depend on that, so it goes on without."""
        target = self._state_directory()
        if target is None:
            return
        try:
            with cache.lock(f"state-{self.kernel.name}"):
                if cache.stored(target) is None:
                    with cache.storing(target, {}) as making, state.Monitor(self._monitor) as monitor:
                        state.save(monitor, making / STATE, self._scratch / "stream")
                        shutil.copyfile(self.console_log, making / CONSOLE)
                    _forget_states(target)
        except (VmError, OSError) as error:
            print(f"fapitest: the state of {self.kernel.name} was not saved: {error}", file=sys.stderr)

    def _forget_state(self, error: VmError) -> None:
        """Do without a saved state that this QEMU does not take back: forget it and boot."""
        saved = self._state_directory()
        assert saved is not None
        shutil.rmtree(saved, ignore_errors=True)
        self._end_process()
        print(f"fapitest: {error}: {self._qemu_said}; booting {self.kernel.name}", file=sys.stderr)
        self.start()

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
        self._end_process()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_process(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._keep_qemu_log()

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
        said = [line for line in console.splitlines() if line.startswith("fapitest: ") and line != READY]
        words = "; ".join(line.removeprefix("fapitest: ") for line in said)
        return "lost", words or "it vanished without a word on its console"

    def console(self) -> str:
        """Return all that the VM has printed on its console so far."""
        try:
            return self.console_log.read_bytes().decode("utf-8", "replace").replace("\r", "")
        except OSError:
            return ""

    def console_end(self) -> str:
        """Return the last lines of the console."""
        return "\n".join(self.console().splitlines()[-CONSOLE_LINES:])


def _forget_states(current: Path) -> None:
    """Keep the states of a kernel that were used last: two checkouts, or two settings, take turns."""
    name = current.name.rpartition("-")[0]
    others = [d for d in current.parent.iterdir() if d != current and d.name.rpartition("-")[0] == name]
    for directory in sorted(others, key=lambda d: d.stat().st_mtime, reverse=True)[STATES_KEPT - 1 :]:
        shutil.rmtree(directory, ignore_errors=True)


def _hardware(accelerator: str) -> tuple[tuple[str, str], ...]:
    """The options of QEMU that make the machine that a guest sees; a saved state only fits the same ones."""
    return (
        ("-accel", accelerator),
        ("-cpu", _CPU[accelerator]),
        ("-machine", "q35,usb=off,vmport=off"),
        ("-smp", "1"),
        ("-m", str(MEMORY)),
        ("-nic", "none"),
        ("-display", "none"),
    )


def _incoming(saved: IO[bytes]) -> str:
    by_path = accel.qemu_version() >= state.FILE_URI_SINCE
    return f"file:{saved.name}" if by_path else f"fd:{saved.fileno()}"


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
