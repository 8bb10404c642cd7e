# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user may choose of the machine that a kernel runs on: processors, memory, command line, a debugger."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from vm.errors import VmError

MEMORY = 512
"""MiB of memory of a VM, unless another size is asked for."""

LEAST_MEMORY = 384
"""MiB below which the guest's userland does not fit beside a kernel."""

MOST_CPUS = 255
"""Processors of QEMU's machine q35 without an interrupt remapping unit."""

LONGEST_COMMAND_LINE = 2047
"""COMMAND_LINE_SIZE of x86, with its end; Documentation/arch/x86/boot.rst."""

GDB_PORT = 1234

CHOICES = ("cpus", "memory", "append", "gdb", "gdb_port")
"""What `chosen` takes, by the names under which the values of the options are kept."""

_COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 oops=panic random.trust_cpu=on tsc=reliable no_timer_check audit=1"
    # A group that is closed waits for a grace period, 6 to 12 ms in which the VM's processor stands still; most tests
    # close one. Documentation/admin-guide/kernel-parameters.txt
    " rcupdate.rcu_expedited=1"
)
_CPU = {"kvm": "host", "tcg": "max,la57=off"}


@dataclasses.dataclass(frozen=True)
class Hardware:
    """The machine that a guest sees.

    Attributes:
        cpus: how many processors it has.
        memory: MiB of its memory.
        append: words added to the kernel's command line.
        gdb: the port of localhost at which a debugger is awaited, or None; with one no deadline of the host's holds.
    """

    cpus: int = 1
    memory: int = MEMORY
    append: str = ""
    gdb: int | None = None

    @property
    def command_line(self) -> str:
        """The kernel's command line; of words that contradict each other the kernel takes the last."""
        # The addresses in vmlinux hold only where the kernel was not moved.
        return " ".join(filter(None, (_COMMAND_LINE, "nokaslr" if self.gdb else "", self.append)))

    def options(self, accelerator: str) -> tuple[tuple[str, str], ...]:
        """Return the options of QEMU that make this machine; a saved state only fits the same ones."""
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
        """The options of pytest and of ``python -m vm`` that ask for this machine."""
        values = {
            "--cpus": self.cpus,
            "--memory": self.memory,
            "--append": self.append,
            "--gdb-port": self.gdb,
        }
        return [f"{name}={value}" for name, value in values.items() if value]

    @property
    def advice(self) -> str:
        """What a person has to do for a VM to go on, or nothing."""
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
    """Return the machine that a user's options describe; a port of a debugger's asks for the debugger too.

    Raises:
        VmError: a value makes no sense, or does not fit this host; the text is one line.
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
    """Return the MiB of memory of this host."""
    (line,) = (
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")
    )
    return int(line.split()[1]) >> 10
