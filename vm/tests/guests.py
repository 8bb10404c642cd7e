# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand-ins for VMs: a thread at the other end of a socket that speaks the protocol, or violates it."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vm import protocol
from vm.errors import BootError
from vm.life import Ending
from vm.place import Free, Place
from vm.scheduler import Scheduler

TESTS = [f"suites/test_a.py::test_{number}" for number in range(5)]


class Guest:
    """The guest's end of the port."""

    def __init__(self, port: socket.socket) -> None:
        self.port = port
        self.lines = port.makefile("rb")
        self.order = json.loads(self.lines.readline())

    def tell(self, name: str, /, **fields: Any) -> None:
        self.port.sendall(protocol.line(name, **fields))

    def begin(self, tests: list[str] = TESTS) -> None:
        self.tell("ready")
        self.tell("collected", tests=tests, behaviours=[[] for _ in tests])

    def phase(self, index: int, when: str = "call", outcome: str = "passed", **changes: Any) -> None:
        fields = {
            "index": index,
            "when": when,
            "outcome": outcome,
            "text": "",
            "place": None,
            "sections": [],
            "properties": [["status", "pass"]],
            "expected": None,
            "duration": 0.0,
        }
        self.tell("phase", **fields | changes)

    def run(self, index: int) -> None:
        for when in ("setup", "call", "teardown"):
            self.phase(index, when)
        self.tell("completed", index=index)

    def commands(self) -> list[int]:
        """The tests in the next command; [] if there are no more."""
        name, fields = json.loads(self.lines.readline())
        return list(fields["indices"]) if name == "run" else []

    def serve(self) -> None:
        """Behave like a correct guest."""
        self.begin()
        while numbers := self.commands():
            for number in numbers:
                self.run(number)
        self.tell("finished", code=0, reason="")


class Machine:
    """Has the methods of vm.machine.Machine; its guest is a thread that runs a function."""

    def __init__(
        self, kernel: str, directory: Path, number: int, guest: Callable[[Guest], None] | Exception
    ) -> None:
        self.kernel = SimpleNamespace(name=kernel)
        self.accel = "tcg"
        self.number = number
        self.socket = directory / f"port-{number}"
        self.guest = guest
        self.killed_for: Ending | None = None
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.socket))
        self.server.listen()
        self.connection: socket.socket | None = None

    def start(self) -> None:
        if isinstance(self.guest, Exception):
            raise self.guest
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        assert callable(self.guest)
        try:
            self.connection, _ = self.server.accept()
            self.guest(Guest(self.connection))
        except (OSError, ValueError):
            return
        finally:
            if self.connection:
                self.connection.close()

    def wait_ready(self) -> float:
        return 0.0

    def starved(self) -> float:
        return 0.0

    def order(self, **wanted: Any) -> bytes:
        return json.dumps(wanted).encode() + b"\n"

    def interrupt(self) -> None:
        self.kill()

    def kill(self, reason: Ending | None = None) -> None:
        self.killed_for = self.killed_for or reason
        self.server.close()
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def wait(self, deadline: float) -> bool:
        return deadline > 0

    def ending(self) -> tuple[Ending, str]:
        return (self.killed_for, "ended by us") if self.killed_for else (Ending.PANIC, "Kernel panic: test")

    def console_end(self) -> str:
        return "the end of the console"


def told(directory: Path, *guests: Callable[[Guest], None] | Exception, silence: float = 30) -> list[Any]:
    """Run a place for one kernel whose VMs have these guests, one after the other; return the events."""
    numbers = iter(range(len(guests)))

    def machine(kernel: str) -> Any:
        number = next(numbers)
        return Machine(kernel, directory, number, guests[number])

    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    scheduler = Scheduler(["6.12"], losses=5)
    place = Place(events, scheduler, machine, silence, lambda _: {})
    place.start()
    found = []
    while not isinstance(event := events.get(timeout=60), Free):
        found.append(event)
    place.join()
    return found


def no_boot() -> BootError:
    """Return the error of a VM that does not boot."""
    return BootError("was not ready", end=Ending.HANG, console="")
