# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's choices for a VM: processors, memory, kernel command line, debugger."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from vm.errors import VmError

MEMORY = 512
"""Default memory of a VM in MiB."""

LEAST_MEMORY = 384
"""Minimum memory of a VM in MiB: the kernel and the guest's userland must fit."""

MOST_CPUS = 255
"""Maximum number of processors of QEMU's machine q35 without an interrupt remapping unit."""

LONGEST_COMMAND_LINE = 2047
"""COMMAND_LINE_SIZE of x86 without the terminating NUL; Documentation/arch/x86/boot.rst."""

GDB_PORT = 1234

CHOICES = ("cpus", "memory", "append", "gdb", "gdb_port")
"""The arguments of `chosen`, named like the options' values in pytest's configuration."""

_COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 oops=panic random.trust_cpu=on tsc=reliable no_timer_check audit=1"
    # Closing a group waits for a grace period, 6 to 12 ms in which the VM is idle, and most tests close one.
    # Documentation/admin-guide/kernel-parameters.txt
    " rcupdate.rcu_expedited=1"
)
_CPU = {"kvm": "host", "tcg": "max,la57=off"}


@dataclasses.dataclass(frozen=True)
class Hardware:
    """The machine that a guest sees.

    Attributes:
        cpus: number of processors.
        memory: memory in MiB.
        append: text that is added to the kernel's command line.
        gdb: the port on localhost at which QEMU waits for a debugger, or None; with one the host has no timeouts.
    """

    cpus: int = 1
    memory: int = MEMORY
    append: str = ""
    gdb: int | None = None

    @property
    def command_line(self) -> str:
        """The kernel's command line; of contradicting parameters the kernel uses the last."""
        # With KASLR the addresses in vmlinux would be wrong.
        return " ".join(filter(None, (_COMMAND_LINE, "nokaslr" if self.gdb else "", self.append)))

    def options(self, accelerator: str) -> tuple[tuple[str, str], ...]:
        """Return QEMU's options for this machine; a saved state can only be restored with the same ones."""
        return (
            ("-accel", accelerator),
            ("-cpu", _CPU[accelerator]),
            ("-machine", "q35,usb=off,vmport=off"),
            ("-smp", str(self.cpus)),
            ("-m", str(self.memory)),
            ("-nic", "none"),
            ("-display", "none"),
            *((("-gdb", f"tcp:127.0.0.1:{self.gdb}"),) if self.gdb else ()),
        )

    @property
    def words(self) -> list[str]:
        """The options of pytest and of ``python -m vm`` that describe this machine."""
        values = {
            "--cpus": self.cpus,
            "--memory": self.memory,
            "--append": self.append,
            "--gdb-port": self.gdb,
        }
        return [f"{name}={value}" for name, value in values.items() if value]

    @property
    def advice(self) -> str:
        """What the user must do for the VM to continue, or ""."""
        if self.gdb is None:
            return ""
        return (
            f"each VM stands still before its first instruction until you attach and continue: "
            f"gdb vmlinux -ex 'target remote 127.0.0.1:{self.gdb}' -ex continue"
        )


def chosen(
    *,
    cpus: str | None = None,
    memory: str | None = None,
    append: Sequence[str] = (),
    gdb: bool = False,
    gdb_port: str | None = None,
) -> Hardware:
    """Return the machine that the user's options describe; a debugger's port implies the debugger.

    Raises:
        VmError: a value is invalid, or too large for this host; the text is one line.
    """
    total = _total_memory()
    hardware = Hardware(
        cpus=_number("--cpus", cpus, 1, 1, MOST_CPUS, "processors"),
        memory=_number(
            "--memory", memory, MEMORY, LEAST_MEMORY, total, "MiB, which is what this machine has"
        ),
        append=" ".join(append),
        gdb=_number("--gdb-port", gdb_port, GDB_PORT, 1, 65535, "(a port of this machine)")
        if gdb or gdb_port
        else None,
    )
    if not re.fullmatch(r"[ -~]*", hardware.append):
        raise VmError(
            f"--append {hardware.append!r}: a kernel's command line has printable ASCII characters only"
        )
    if len(hardware.command_line) > LONGEST_COMMAND_LINE:
        raise VmError(
            f"--append: the kernel's command line would have {len(hardware.command_line)} characters; "
            f"it takes {LONGEST_COMMAND_LINE}"
        )
    if hardware.gdb:
        _check_free(hardware.gdb)
    return hardware


def _number(option: str, text: str | None, default: int, least: int, most: int, what: str) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise VmError(f"{option} {text}: give a number from {least} to {most} {what}")
    return int(text)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise VmError(
                f"--gdb: port {port} can not be used: {error.strerror}; give another with --gdb-port PORT"
            ) from error


def _total_memory() -> int:
    """Return the memory of this host in MiB."""
    (line,) = (
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")
    )
    return int(line.split()[1]) >> 10
