# SPDX-License-Identifier: GPL-2.0-or-later
"""One disposable VM: a QEMU process without a network card, and without disks or directories of the host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from vm import accel, bootimage, cache, image, keyboard, scratch, state, tools, unprivileged
from vm.accel import DEVICE
from vm.bootimage import Kernel
from vm.console import Console, headline
from vm.errors import BootError, VmError
from vm.hardware import Hardware
from vm.life import Ending

STATE, CONSOLE = "state", "console.log"
STATES_KEPT = 3
"""Number of saved states that are kept for each kernel; one takes about 300 MB."""

OVERHEAD = 288
"""MiB that QEMU needs in addition to the memory of its VM: a VM of 512 MiB was seen to take up to 791."""

SCRATCH_DISKS = 4
SCRATCH_DISK_SIZE = 128 << 20
"""Number and size in bytes of the disks of a VM whose kernel may lack loop devices: sparse, temporary files."""

READY = "fapitest: ready"
BOOT_DEADLINE = {"kvm": 10.0, "tcg": 50.0}
"""Timeout in seconds for the boot, for each processor of the VM."""

SLOWNESS = {"kvm": 1.0, "tcg": 5.0}
"""Factor for deadlines in a guest."""

_ENDED = re.compile(r"^fapitest: ended with (\d+)$", re.MULTILINE)
_KILLED_FOR = {
    Ending.HANG: "it gave no sign of life",
    Ending.LOST: "pytest in it ended before its time",
    Ending.NONSENSE: "it said what no guest of ours says",
    Ending.DONE: "it was done",
}


class Machine:
    """A VM of one kernel, from start to end.

    Attributes:
        kernel: the kernel that it boots.
        accel: ``kvm`` or ``tcg``.
        directory: for its console log and the files that the guest sends.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        accel: str,
        directory: Path,
        number: int = 1,
        hardware: Hardware = Hardware(),  # noqa: B008  it is immutable
    ) -> None:
        """Describe the VM; `number` is its number among those of this kernel in this run.

        Raises:
            VmError: there is no suitable directory for its sockets.
        """
        self.hardware = hardware
        self.kernel = kernel
        self.accel = accel
        self.directory = directory
        self.number = number
        self.started = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._console: Console | None = None
        self._killed_for: Ending | None = None
        self._interrupted = threading.Event()
        self._restoring = False
        # The path of a unix socket is limited to 108 bytes, and that of the run's directory may be longer.
        self._own = scratch.Scratch()
        self._scratch = self._own.path
        self._vm = self._scratch / "vm"
        self._vm.mkdir()
        device = DEVICE if accel == "kvm" else None
        self._identity = unprivileged.identity(directory=self._scratch, device=device)
        if self._identity:
            self._scratch.chmod(0o711)
            os.chown(self._vm, self._identity.uid, self._identity.gid)

    @property
    def socket(self) -> Path:
        """The unix socket of the virtio port."""
        return self._vm / "gateway"

    @property
    def console_log(self) -> Path:
        """The file with the VM's console."""
        return self.directory / log_name(self.number)

    def start(self) -> None:
        """Start QEMU with its console in the log, from a saved state if there is one; return at once.

        Raises:
            VmError: QEMU is missing, or the VM's files cannot be written.
        """
        saved = self._state_directory()
        self._restoring = saved is not None and cache.stored(saved) is not None and cache.hold(saved)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if saved and self._restoring:
                os.utime(saved)
                self._console = Console(self.console_log, (saved / CONSOLE).read_bytes())
                self._run_qemu("-incoming", saved / STATE)
            else:
                image.initramfs(self._initramfs, self._userland, self.kernel.modules)
                self._console = Console(self.console_log)
                self._run_qemu("-initrd", self._initramfs)
        except OSError as error:
            self.kill()
            raise VmError(f"a VM for {self.kernel.name} can not be started: {error}") from error

    def _run_qemu(self, option: str, file: Path) -> None:
        assert self._console is not None
        with self._command("stdio,id=console,signal=off", option, file) as (command, files):
            self.started = time.monotonic()
            with (self._scratch / "qemu.log").open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    pass_fds=files,
                    start_new_session=True,  # keeps Ctrl-C from reaching QEMU before us
                )
        assert isinstance(self._process.stdout, BufferedReader)
        self._console.follow(self._process.stdout)
        if self._interrupted.is_set():
            self._process.kill()

    def interact(self, command: Sequence[str] = ()) -> int:
        """Run QEMU with its console on this terminal until a shell in the guest, or `command`, has ended.

        Without a terminal the shell ends at the end of standard input.

        Returns the exit code of the shell or the command.

        Raises:
            VmError: the VM ended earlier; the text says how.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        shell = {**environment(self.kernel, self.accel), "FAPITEST_COMMAND": shlex.join(command)}
        try:
            image.initramfs(
                self._initramfs,
                self._userland,
                self.kernel.modules,
                shell=shell,
                files=laid_files(self.kernel),
            )
            log = self._vm / "console"
            console = f"stdio,id=console,signal=off,logfile={_escaped(log)}"
            with self._command(console, "-initrd", self._initramfs) as (words, files):
                typed = None if keyboard.is_a_terminal() else subprocess.PIPE
                self._process = subprocess.Popen(words, stdin=typed, pass_fds=files)
            if typed:
                keyboard.type_for(self._process)
            self._process.wait()
            if said := _ENDED.findall(log.read_text(errors="replace").replace("\r", "")):
                return int(said[-1])
            raise VmError(f"the VM of {self.kernel.name} ended on the way: {self.ending()[1]}")
        finally:
            self.kill()

    def order(self, **wanted: Any) -> bytes:
        """Return the order, the first message to a guest that is ready: see vm/guest/agent.py."""
        return image.order(environment(self.kernel, self.accel), laid_files(self.kernel), **wanted)

    def _scratch_disks(self) -> Iterator[tuple[str, str]]:
        """Yield the options for scratch disks, for a kernel that may lack loop devices."""
        if self.kernel.loop:
            return
        yield ("-device", "nvme,id=nvme0,serial=scratch")
        for number in range(SCRATCH_DISKS):
            disk = self._vm / f"disk{number}"
            with disk.open("wb") as file:
                file.truncate(SCRATCH_DISK_SIZE)
            if self._identity:
                os.chown(disk, self._identity.uid, self._identity.gid)
            yield ("-drive", f"if=none,id=disk{number},file={_escaped(disk)},format=raw,cache=unsafe")
            yield ("-device", f"nvme-ns,drive=disk{number},bus=nvme0,nsid={number + 1}")

    @property
    def _userland(self) -> Path:
        return self.kernel.userland or image.base()

    @property
    def _initramfs(self) -> Path:
        return self._scratch / "initramfs"

    @property
    def _monitor(self) -> Path:
        return self._vm / "monitor"

    @contextlib.contextmanager
    def _command(self, console: str, option: str, file: Path) -> Iterator[tuple[list[str], list[int]]]:
        """Yield QEMU's command line and the descriptors it inherits, since it may not be able to open the files."""
        with contextlib.ExitStack() as stack:
            kernel, content = files = [unprivileged.opened(path) for path in (self.kernel.image, file)]
            for descriptor in files:
                stack.callback(os.close, descriptor)
            value = _incoming(content) if option == "-incoming" else unprivileged.inherited(content)
            options = [
                *self.hardware.options(self.accel),
                ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
                *(
                    ("-kernel", unprivileged.inherited(kernel)),
                    ("-append", self.hardware.command_line),
                    (option, value),
                ),
                *(("-chardev", console), ("-serial", "chardev:console"), ("-device", "virtio-serial-pci")),
                ("-qmp", f"unix:{_escaped(self._monitor)},server=on,wait=off"),
                ("-chardev", f"socket,id=gateway,path={_escaped(self.socket)},server=on,wait=off"),
                ("-device", "virtserialport,chardev=gateway,name=gateway"),
                *self._scratch_disks(),
            ]
            # setpriv makes the kernel kill QEMU when this process ends, however it ends.
            setpriv = [
                tools.path("setpriv"),
                *(self._identity.options if self._identity else []),
                "--pdeathsig=KILL",
            ]
            flags = ["-nodefaults", "-no-user-config", "-no-reboot", *(["-S"] if self.hardware.gdb else [])]
            program = [*setpriv, tools.path("qemu-system-x86_64"), *flags]
            yield [str(word) for word in (*program, *(word for option in options for word in option))], files

    def wait_ready(self) -> float:
        """Wait until the guest's Python serves the port; return the seconds since the start.

        The timeout counts only time in which the VM had a processor, see `starved`.

        Raises:
            BootError: the VM ended or hung; it has been killed.
        """
        if self._restoring:
            try:
                state.wait_restored(self._monitor, self.alive)
                return time.monotonic() - self.started
            except VmError as error:
                if self._killed_for:
                    raise self._boot_error("was ended before it was ready") from error
                self._forget_state(error)
        deadline = BOOT_DEADLINE[self.accel] * self.hardware.cpus
        self._wait_booted(math.inf if self.hardware.gdb else deadline)
        return time.monotonic() - self.started

    def starved(self) -> float:
        """Return the seconds for which the VM was runnable and had no processor, because of other work on the host.

        Without it, a healthy VM on a busy machine would look hung. This is the wait time of QEMU's thread that waited
        the most, its virtual processor; 0.0 if the host's kernel does not account it
        (Documentation/scheduler/sched-stats.rst).
        """
        waited = [0]
        for account in Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                waited.append(int(account.read_text().split()[1]))
        return max(waited) / 1e9

    def _wait_booted(self, patience: float) -> None:
        assert self._console is not None
        while not self._console.wait_for(READY, self._left(patience)):
            if self._console.ended:
                raise self._boot_error("ended before it was ready")
            if self._left(patience) == 0:
                self.kill(Ending.HANG)
                raise self._boot_error(f"was not ready after {patience:.0f} s")
        self._initramfs.unlink(missing_ok=True)
        self._save_state()

    def _left(self, patience: float) -> float | None:
        """Return the seconds left of a timeout that began with QEMU's start, without `starved`; None: no timeout."""
        if math.isinf(patience):
            return None
        return max(0.0, patience - (time.monotonic() - self.started) + self.starved())

    def _state_directory(self) -> Path | None:
        """The directory for the saved state of an identical VM; None for a VM whose state is not saved."""
        # QEMU cannot save the state of a VM with NVMe disks.
        if self.kernel.key is None or self.accel != "tcg" or not self.kernel.loop or self.hardware.gdb:
            return None
        machine = [self.hardware.options(self.accel), self.hardware.command_line]
        facts = [2, self.kernel.key, self._userland, accel.qemu_version(), *machine]
        key = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
        return cache.root() / "states" / f"{self.kernel.name}-{key}"

    def _save_state(self) -> None:
        """Save the state of a VM that has just become ready; a failure does not end the run."""
        target = self._state_directory()
        if target is None:
            return
        try:
            with cache.lock(f"state-{self.kernel.name}"):
                if cache.stored(target) is None:
                    with cache.storing(target, {}) as making, state.Monitor(self._monitor) as monitor:
                        state.save(monitor, making / STATE, self._scratch / "stream")
                        (making / CONSOLE).write_text(self.console())
                    _forget_states(target)
        except (VmError, OSError) as error:
            print(f"fapitest: the state of {self.kernel.name} was not saved: {error}", file=sys.stderr)

    def _forget_state(self, error: VmError) -> None:
        """Remove a saved state that QEMU cannot restore, and boot instead."""
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

    def interrupt(self) -> None:
        """Kill QEMU, from any thread; a thread that waits for the VM finds that it has ended."""
        self._interrupted.set()
        if (process := self._process) is not None:
            process.kill()

    def kill(self, reason: Ending | None = None) -> None:
        """Kill the VM if it still runs, and remove its scratch files; `ending` then returns `reason`."""
        if reason and self._killed_for is None and self.alive():
            self._killed_for = reason
        self._end_process()
        self._own.remove()

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._keep_qemu_log()
        if self._console:
            self._console.close()

    def wait(self, deadline: float) -> bool:
        """Wait until QEMU has ended by itself; return False if it still runs after `deadline` seconds."""
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

    def ending(self) -> tuple[Ending, str]:
        """Return how a VM ended, and why, as text."""
        if self._killed_for:
            return self._killed_for, _KILLED_FOR[self._killed_for]
        if self._interrupted.is_set():
            return Ending.KILLED, "the run was ended"
        console = self.console()
        if found := headline(console):
            return found
        self._keep_qemu_log()
        code = self._process.poll() if self._process else None
        if self._qemu_said:
            return Ending.LOST, f"QEMU said: {self._qemu_said.splitlines()[-1]}"
        if code is not None and code < 0:
            return Ending.LOST, f"QEMU was killed by {signal.Signals(-code).name}"
        said = [line for line in console.splitlines() if line.startswith("fapitest: ") and line != READY]
        words = "; ".join(line.removeprefix("fapitest: ") for line in said)
        return Ending.LOST, words or "it vanished without a word on its console"

    def console(self) -> str:
        """Return the console output so far, or the end of it if it is long."""
        return self._console.text() if self._console else ""

    def console_end(self) -> str:
        """Return the last lines of the console."""
        return self._console.end() if self._console else ""


def log_name(number: int) -> str:
    """Return the name of the console's file, by the number of the VM."""
    return "console.log" if number == 1 else f"console-{number}.log"


def laid_files(kernel: Kernel) -> Iterator[tuple[str, Path]]:
    """Yield the path of a kernel's configuration in the guest, as in its distribution, and its file on the host."""
    config = kernel.image.with_name("config")
    if config.exists() and (release := bootimage.image_release(kernel.image)):
        yield f"/boot/config-{release}", config


def environment(kernel: Kernel, accelerator: str) -> dict[str, str]:
    """Return the environment variables that tell a guest about its kernel and accelerator."""
    disks = [] if kernel.loop else [f"/dev/nvme0n{number + 1}" for number in range(SCRATCH_DISKS)]
    return {
        "FAPITEST_KERNEL": kernel.name,
        "FAPITEST_ACCEL": accelerator,
        "FAPITEST_SLOW": str(SLOWNESS[accelerator]),
        "FAPITEST_SCRATCH_DISKS": ":".join(disks),
    }


def _forget_states(current: Path) -> None:
    """Remove all but the most recently used states of a kernel; several, because two checkouts may take turns."""
    name = current.name.rpartition("-")[0]
    others = [d for d in current.parent.iterdir() if d != current and d.name.rpartition("-")[0] == name]
    cache.prune(others, STATES_KEPT - 1)


def _incoming(saved: int) -> str:
    by_path = accel.qemu_version() >= state.FILE_URI_SINCE
    return f"file:{unprivileged.inherited(saved)}" if by_path else f"fd:{saved}"


def _escaped(path: Path) -> str:
    """Return a path as a value in QEMU's options, with commas doubled."""
    return str(path).replace(",", ",,")


def memory_available() -> int:
    """Return the memory that is available for VMs, in MiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def default_jobs(hardware: Hardware = Hardware()) -> int:  # noqa: B008  it is immutable
    """Return how many VMs can run at once on this machine, by its cores and its free memory."""
    cores = (os.cpu_count() or 1) // hardware.cpus
    return max(1, min(cores, memory_available() // (hardware.memory + OVERHEAD)))
