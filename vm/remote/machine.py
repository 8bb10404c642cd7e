# SPDX-License-Identifier: GPL-2.0-or-later
"""One disposable VM on another machine, with the interface of vm.machine.Machine."""

from __future__ import annotations

import dataclasses
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vm import image
from vm.bootimage import Kernel
from vm.console import Console
from vm.errors import BootError, MachineLostError
from vm.hardware import Hardware
from vm.life import Ending
from vm.machine import SLOWNESS, environment, laid_files, log_name
from vm.remote.ssh import Connection, UnreachableError
from vm.remote.stream import Stream
from vm.remote.wire import GarbledError, one_line, packed, unpacked

PATIENCE = 900.0
"""Timeout in seconds for any answer, even from a very busy machine."""

_ANSWERS = 4
"""Maximum number of unread answers; only one is requested at a time."""

_LOOK = 0.2
"""Seconds between two checks whether the machine is lost."""


class RemoteMachine:
    """A VM of one kernel on another machine, from start to end. Its methods raise MachineLostError.

    Attributes:
        kernel: the kernel that it boots.
        accel: ``kvm`` or ``tcg`` once it has started; before, the requested accelerator.
        number: its number among the VMs of this kernel in this run.
    """

    def __init__(
        self,
        connection: Connection,
        called: str,
        send: Callable[[Kernel, Callable[[], bool]], dict[str, str]],
        kernel: Kernel,
        *,
        accel: str,
        directory: Path,
        number: int,
        hardware: Hardware,
    ) -> None:
        """Describe the VM on the machine named `called`.

        `send` sends the files that it boots, and returns their digests; it stops early if its argument returns true.
        """
        self.kernel = kernel
        self.accel = accel
        self.number = number
        self._connection = connection
        self._called = called
        self._send_parts = send
        self._directory = directory
        self._hardware = hardware
        self._answers: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(_ANSWERS)
        self._lost = threading.Event()
        self._odd = False
        """Whether the other machine has violated the protocol."""
        self._interrupted = threading.Event()
        self._begun = time.monotonic()
        self._starved = 0.0
        self._console: Console | None = None
        self._channel: Any = None
        self._stream: Stream | None = None
        self._port: socket.socket | None = None

    # --- the interface of a VM ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Send the files that it boots, and start it."""
        parts = self._send_parts(self.kernel, self._interrupted.is_set)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._console = Console(self._directory / log_name(self.number))
        try:
            self._channel = self._connection.call("live")
            channel = self._connection.channel()
            self._port, far = socket.socketpair()
            self._stream = Stream(channel, far)
            self._channel.send(channel)
        except (UnreachableError, OSError) as error:
            raise self._gone() from error
        self._channel.setcallback(self._hear, endmarker=None)
        self._say(
            "vm",
            name=self.kernel.name,
            loop=self.kernel.loop,
            key=self.kernel.key,
            accel=self.accel,
            parts=parts,
            hardware=dataclasses.asdict(self._hardware),
        )
        chosen = self._answer(accel=str)["accel"]
        if chosen not in SLOWNESS:
            raise self._nonsense()
        self.accel = chosen
        if self._interrupted.is_set():
            self.interrupt()
        self._ask("start")

    def wait_ready(self) -> float:
        """Wait until the guest's Python serves the port; return the seconds since the start.

        Raises:
            BootError: the VM ended or hung.
        """
        return float(self._ask("wait_ready", answer={"seconds": float})["seconds"])

    @property
    def socket(self) -> socket.socket:
        """The guest's port."""
        assert self._port is not None
        return self._port

    def order(self, **wanted: Any) -> bytes:
        """Return the order, the first message to a guest that is ready: see vm/guest/agent.py."""
        if "workerinput" in wanted:
            wanted["workerinput"] = {**wanted["workerinput"], "accel": self.accel}
        return image.order(environment(self.kernel, self.accel), laid_files(self.kernel), **wanted)

    def starved(self) -> float:
        """Return the seconds for which the VM was runnable and had no processor, by the last report."""
        return self._starved

    def interrupt(self) -> None:
        """Kill the VM, from any thread; a thread that waits for it finds that it has ended. Return at once."""
        self._interrupted.set()
        # In a thread, because sending blocks if the connection is stuck.
        threading.Thread(target=self._say, args=("interrupt",), daemon=True).start()

    def kill(self, reason: Ending | None = None) -> None:
        """Kill the VM if it still runs, and remove its files there; `ending` then returns `reason`."""
        if self._channel is not None and not self._lost.is_set():
            try:
                self._ask("kill", reason=reason)
            except (MachineLostError, BootError):
                self._lost.set()
        if reason is None or reason is Ending.DONE:
            self._close()

    def wait(self, deadline: float) -> bool:
        """Wait until QEMU has ended by itself; return False if it still runs after `deadline` seconds."""
        return bool(self._ask("wait", answer={"ended": bool}, deadline=deadline)["ended"])

    def ending(self) -> tuple[Ending, str]:
        """Return how a VM ended, and why, as text."""
        told = self._ask("ending", answer={"ending": str, "reason": str})
        ending = self._as_ending(told["ending"])
        where = f" (on {self._called})" if ending is Ending.LOST else ""
        return ending, one_line(told["reason"]) + where

    def console_end(self) -> str:
        """Return the last lines of the console."""
        return self._console.end() if self._console else ""

    # --- messages -------------------------------------------------------------------------------------------------

    def _hear(self, message: bytes | None) -> None:
        """Handle a message in the thread that reads the connection, which must not block or fail."""
        try:
            if message is not None:
                self._take(*unpacked(message))
                return
        except (GarbledError, ValueError, TypeError, KeyError, queue.Full):
            self._odd = True
        self._lost.set()
        if self._stream:
            self._stream.close()

    def _take(self, word: str, fields: dict[str, Any]) -> None:
        if word == "console" and self._console:
            self._console.add(str(fields["text"]).encode("latin-1"))
        elif word == "starved":
            # It cannot have waited for longer than it has existed.
            self._starved = min(float(fields["seconds"]), time.monotonic() - self._begun)
        else:
            self._answers.put_nowait((word, fields))

    def _say(self, word: str, /, **fields: Any) -> None:
        try:
            if (channel := self._channel) is not None:
                channel.send(packed(word, **fields))
        except OSError:
            self._lost.set()

    def _ask(self, word: str, *, answer: dict[str, type] | None = None, **fields: Any) -> dict[str, Any]:
        self._say(word, **fields)
        return self._answer(**(answer or {}))

    def _answer(self, **kinds: type) -> dict[str, Any]:
        """Return the fields of the next answer, which must have these types."""
        word, fields = self._next_answer()
        reason = one_line(fields.get("reason"))
        if word == "failed":
            raise MachineLostError(f"{self._called}: {reason}")
        if word == "not-booted":
            text = f"{reason} (on {self._called})"
            raise BootError(text, end=self._as_ending(fields.get("ending")), console=self.console_end())
        if word != "done" or not all(isinstance(fields.get(name), kind) for name, kind in kinds.items()):
            raise self._nonsense()
        return fields

    def _next_answer(self) -> tuple[str, dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                return self._answers.get(timeout=_LOOK)
            except queue.Empty:
                if self._lost.is_set():
                    raise self._gone() from None
        raise MachineLostError(f"{self._called} gave no answer for {PATIENCE:.0f} s")

    def _as_ending(self, word: object) -> Ending:
        try:
            return Ending(str(word))
        except ValueError:
            raise self._nonsense() from None

    def _nonsense(self) -> MachineLostError:
        return MachineLostError(f"{self._called} said what nobody of ours says")

    def _gone(self) -> MachineLostError:
        if self._odd:
            return self._nonsense()
        return MachineLostError(f"{self._called} was lost: {self._connection.last_words()}")

    def _close(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream.join()
        if self._port:
            self._port.close()
        if self._console:
            self._console.close()
        if self._channel is not None:
            threading.Thread(target=_hang_up, args=(self._channel,), daemon=True).start()
            self._channel = None


def _hang_up(channel: Any) -> None:
    try:
        channel.close()
    except OSError:
        return
