# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs VMs on another machine, for as long as the connection to the controlling machine lasts.

A process runs these functions, each in its own thread and with its own channel from execnet. It ends with the
connection, and its VMs and their files end with it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from vm import accel, cache, claims, scratch, tools
from vm.bootimage import Kernel
from vm.errors import BootError, VmError
from vm.hardware import Hardware
from vm.life import Ending
from vm.machine import Machine, default_jobs
from vm.remote import parts
from vm.remote.pulse import Pulse
from vm.remote.stream import Stream
from vm.remote.wire import CHUNK, packed, unpacked

NEWS = 1.0
"""Seconds between two reports about a VM."""

SPARE = 64 << 20
"""Bytes that must stay free on the cache's disk after receiving a file."""

CONSOLE = "console.log"

_living: set[Machine] = set()
"""The current VMs."""


def settle() -> None:
    """Clean up on signals, and print nothing: this process only communicates through its channels."""
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  open until the process ends
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: threading.Thread(target=end).start())


def end(_: str = "") -> None:
    """Kill every VM, remove its files, and end this process.

    The threads that own the VMs cannot do it: they may be blocked on a stuck connection, or about to start a VM. If
    they do it too, that is harmless.
    """
    for machine in list(_living):
        with contextlib.suppress(Exception):
            machine.kill()
    scratch.end()
    for directory in list(parts.making):
        claims.destroy(directory)
    os._exit(1)


def watch(channel: Any) -> None:
    """End this process when the other side stops sending keep-alive messages."""
    ended = threading.Event()

    def over(_: str) -> None:
        ended.set()
        end()

    Pulse(channel, over)
    ended.wait()


# --- checks -------------------------------------------------------------------------------------------------------


def check(channel: Any) -> None:
    """Report what this machine can do for VMs with the requested hardware, or why it cannot run them."""
    _, fields = unpacked(channel.receive())
    try:
        _check_architecture()
        accel.qemu_version()
        tools.path("setpriv")
        cache.root()
        scratch.place()
        cache.sweep()
        scratch.sweep()
        answer = packed("fit", jobs=default_jobs(Hardware(**fields["hardware"])))
    except (VmError, OSError) as error:
        answer = packed("unfit", reason=str(error))
    channel.send(answer)


def _check_architecture() -> None:
    if platform.machine() != "x86_64":
        raise VmError(f"it is a {platform.machine()} machine; x86-64 is needed")


def check_room(channel: Any) -> None:
    """Report whether there is enough disk space for files, and for this many bytes of VMs."""
    _, fields = unpacked(channel.receive())
    try:
        absent = sum(size for digest, size in fields["parts"] if parts.find(digest) is None)
        _check_free(cache.root(), absent + SPARE)
        _check_free(scratch.place(), fields["scratch"])
        answer = packed("fit")
    except (VmError, OSError) as error:
        answer = packed("unfit", reason=str(error))
    channel.send(answer)


def _check_free(directory: Path, wanted: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < wanted:
        raise VmError(f"{directory} has {free >> 20} MiB free, and {(wanted >> 20) + 1} MiB are needed")


# --- receiving files ----------------------------------------------------------------------------------------------


def take(channel: Any) -> None:
    """Receive a file unless it is in the cache; acknowledge each chunk after writing it."""
    _, fields = unpacked(channel.receive())

    def pieces() -> Iterator[bytes]:
        channel.send(packed("send"))
        left = fields["size"]
        while left > 0:
            piece = channel.receive()
            left -= len(piece)
            yield piece
            channel.send(packed("written"))

    try:
        if parts.find(fields["digest"]) is None:
            with cache.writing():
                parts.keep(fields["digest"], pieces())
        answer = packed("there")
    except (VmError, OSError) as error:
        answer = packed("failed", reason=str(error))
    channel.send(answer)


# --- one VM -------------------------------------------------------------------------------------------------------


class _Account:
    """Reports the VM's console output, and for how long it had no processor."""

    def __init__(self, channel: Any, machine: Machine, log: Path) -> None:
        self._channel = channel
        self._machine = machine
        self._log = log
        self._told = 0
        self._telling = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._keep_telling, daemon=True).start()

    def _keep_telling(self) -> None:
        try:
            while not self._ended.wait(NEWS):
                self.tell()
        except OSError:
            return  # the connection has ended, and the VM ends with it

    def tell(self) -> None:
        with self._telling:
            if self._machine.alive():
                self._channel.send(packed("starved", seconds=self._machine.starved()))
            if self._log.exists():
                with self._log.open("rb") as log:
                    if self._told > log.seek(0, os.SEEK_END):
                        self._told = 0  # the saved state could not be restored, and the VM booted again
                    log.seek(self._told)
                    while piece := log.read(CHUNK):
                        self._told += len(piece)
                        self._channel.send(packed("console", text=piece.decode("latin-1")))

    def stop(self) -> None:
        self._ended.set()


def live(channel: Any) -> None:
    """Run one VM and handle requests for it; it ends with the channel."""
    port = channel.receive()
    asked: SimpleQueue[bytes | None] = SimpleQueue()
    _, wanted = unpacked(channel.receive())
    with scratch.directory() as directory:
        try:
            machine = _machine(wanted, directory)
        except (VmError, OSError) as error:
            channel.send(packed("failed", reason=str(error)))
            return
        _living.add(machine)
        account = _Account(channel, machine, directory / CONSOLE)

        def hear(message: bytes | None) -> None:
            if message is None or unpacked(message)[0] == "interrupt":
                machine.interrupt()
            if message is None or unpacked(message)[0] != "interrupt":
                asked.put(message)

        channel.setcallback(hear, endmarker=None)
        try:
            channel.send(packed("done", accel=machine.accel))
            while (message := asked.get()) is not None:
                answer = _answer(machine, port, *unpacked(message))
                account.tell()
                channel.send(answer)
        except OSError:
            pass  # the connection has ended
        finally:
            account.stop()
            machine.kill()
            _living.discard(machine)


def _machine(wanted: dict[str, Any], directory: Path) -> Machine:
    files = {name: parts.find(digest) for name, digest in wanted["parts"].items()}
    image, modules, userland = (files[name] for name in ("image", "modules", "userland"))
    if image is None or modules is None or userland is None:
        raise VmError("what was sent is no longer in the cache")
    kernel = Kernel(
        name=wanted["name"],
        image=image,
        modules=modules,
        userland=userland,
        loop=wanted["loop"],
        key=wanted["key"],
        origin="",
    )
    chosen = accel.choose(wanted["accel"], kernel)
    hardware = Hardware(**wanted["hardware"])
    return Machine(kernel, accel=chosen, directory=directory, hardware=hardware)


def _join(port: Any, machine: Machine) -> None:
    """Connect the channel `port` to the VM's port; if the VM has already ended, close the channel."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(machine.socket))
    except OSError:
        connection.close()
        port.close()
    else:
        Stream(port, connection)


def _answer(machine: Machine, port: Any, word: str, fields: dict[str, Any]) -> bytes:
    """Handle one request for a VM, and return the answer."""
    try:
        match word:
            case "start":
                machine.start()
            case "wait_ready":
                seconds = machine.wait_ready()
                _join(port, machine)
                return packed("done", seconds=seconds)
            case "wait":
                return packed("done", ended=machine.wait(fields["deadline"]))
            case "kill":
                machine.kill(Ending(fields["reason"]) if fields["reason"] else None)
            case "ending":
                ending, reason = machine.ending()
                return packed("done", ending=ending, reason=reason)
    except BootError as error:
        return packed("not-booted", reason=str(error), ending=error.end)
    except (VmError, OSError) as error:
        return packed("failed", reason=str(error))
    return packed("done")
