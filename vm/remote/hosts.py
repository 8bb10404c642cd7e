# SPDX-License-Identifier: GPL-2.0-or-later
"""The other machines of a run: parses --host, checks the machines, and sends files to them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vm import cache, image
from vm.apt import Progress, quiet
from vm.bootimage import Kernel
from vm.errors import MachineLostError, VmError
from vm.hardware import Hardware
from vm.remote.machine import RemoteMachine
from vm.remote.ssh import Connection, UnreachableError
from vm.remote.wire import GarbledError, one_line, packed, unpacked

MOST_PLACES = 64

ANSWER = 60.0
"""Timeout in seconds for a machine to report what it can do, or to write a chunk of a file."""

HANG_UP = 10.0
"""Timeout in seconds for an outpost to end."""

PIECE = 256 << 10
"""Size of a chunk of a file in bytes."""

AHEAD = 8
"""Maximum number of unacknowledged chunks."""

_LOOK = 0.5
"""Seconds between two checks whether the run has been stopped."""

_WORD = re.compile(
    r"(?P<machine>(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9_][\w.-]*)(?::(?P<places>[0-9]{1,4}))?", re.ASCII
)


@dataclass(frozen=True)
class Request:
    """A machine that the user has named.

    Attributes:
        machine: its name for ssh, with or without a user.
        places: maximum number of VMs at once; None for as many as it can run.
    """

    machine: str
    places: int | None


def requested(words: Sequence[str]) -> list[Request]:
    """Return the requests in the values of --host.

    Raises:
        VmError: a value is invalid, or a machine is named twice.
    """
    found: list[Request] = []
    for word in words:
        match = _WORD.fullmatch(word)
        places = match["places"] if match else None
        if match is None or (places is not None and not 1 <= int(places) <= MOST_PLACES):
            raise VmError(
                f"--host {word}: give [user@]machine[:places], with 1 to {MOST_PLACES} places; "
                "whatever else ssh must know of a machine stands in ~/.ssh/config"
            )
        if match["machine"] in {request.machine for request in found}:
            raise VmError(f"--host {word}: {match['machine']} is named twice")
        found.append(Request(match["machine"], int(places) if places else None))
    return found


Shown = Callable[[str], AbstractContextManager[Progress]]
"""Returns a display, for the body of a `with`, of the files that are sent to the machine with this name."""


@contextlib.contextmanager
def unseen(_: str) -> Iterator[Progress]:
    """Show nothing."""
    yield quiet


class Host:
    """Another machine that can run VMs.

    Attributes:
        name: its name for ssh.
        places: maximum number of VMs at once.
    """

    def __init__(self, request: Request, accel: str, hardware: Hardware, shown: Shown = unseen) -> None:
        """Connect to it, and check that it can run VMs with this hardware; `shown` shows what is sent to it.

        Raises:
            VmError: it cannot be reached, or cannot run them; the text says why.
        """
        self.name = request.machine
        self._accel = accel
        self._hardware = hardware
        self._shown = shown
        self._sending = threading.Lock()
        self._sent: set[str] = set()
        try:
            self._connection = Connection(request.machine)
        except UnreachableError as error:
            raise VmError(str(error)) from error
        try:
            jobs = self._ask("check", hardware=dataclasses.asdict(hardware)).get("jobs", 1)
        except BaseException:
            self._connection.kill()
            raise
        able = min(jobs, MOST_PLACES) if isinstance(jobs, int) else 1
        self.places = request.places or max(1, able)

    def check_room(self, kernels: Sequence[Kernel]) -> None:
        """Check that there is enough disk space for VMs of these kernels. Raises VmError."""
        sizes = {path: path.stat().st_size for kernel in kernels for path in _parts(kernel).values()}
        most = max(sizes[kernel.modules] for kernel in kernels)
        wanted = [(digest(path), size) for path, size in sizes.items()]
        self._ask("check_room", parts=wanted, scratch=self.places * (sizes[image.base()] + most))

    def _ask(self, function: str, **fields: Any) -> dict[str, Any]:
        try:
            channel = self._connection.call(function)
            channel.send(packed("asked", **fields))
            word, told = unpacked(channel.receive(ANSWER))
        except (UnreachableError, GarbledError) as error:
            raise VmError(str(error)) from error
        except (OSError, EOFError) as error:
            late = isinstance(error, channel.TimeoutError)
            reason = (
                f"it is too slow: no answer for {ANSWER:.0f} s" if late else self._connection.last_words()
            )
            raise VmError(reason) from error
        if word != "fit":
            raise VmError(one_line(told.get("reason", "it does not say why")))
        return told

    # --- files for VMs --------------------------------------------------------------------------------------------

    def prepare(self, stopped: Callable[[], bool]) -> None:
        """Send the files that every VM needs, so that no kernel waits for them. Raises MachineLostError."""
        self._send(image.base(), stopped)

    def machine(self, kernel: Kernel, directory: Path, number: int) -> RemoteMachine:
        """Describe VM `number` of a kernel; its console is kept in `directory` on this machine."""
        return RemoteMachine(
            self._connection,
            self.name,
            self._send_parts,
            kernel,
            accel=self._accel,
            directory=directory,
            number=number,
            hardware=self._hardware,
        )

    def _send_parts(self, kernel: Kernel, stopped: Callable[[], bool]) -> dict[str, str]:
        return {name: self._send(path, stopped) for name, path in _parts(kernel).items()}

    def _send(self, path: Path, stopped: Callable[[], bool]) -> str:
        """Send a file unless the machine has it, and return its digest. Raises MachineLostError."""
        key = digest(path)
        with self._sending:
            if key not in self._sent:
                try:
                    self._transfer(path, key, stopped)
                except (UnreachableError, GarbledError, OSError, EOFError) as error:
                    raise MachineLostError(
                        f"{self.name} was lost: {self._connection.last_words()}"
                    ) from error
                self._sent.add(key)
        return key

    def _transfer(self, path: Path, key: str, stopped: Callable[[], bool]) -> None:
        size = path.stat().st_size
        channel = self._connection.call("take")
        channel.send(packed("part", digest=key, size=size))
        if self._answer(channel, stopped) == "there":
            return
        with self._shown(self.name) as show:
            self._send_pieces(channel, path, size, show, stopped)

    def _send_pieces(
        self, channel: Any, path: Path, size: int, show: Progress, stopped: Callable[[], bool]
    ) -> None:
        ahead = 0
        for number, piece in enumerate(_pieces(path)):
            show(f"sending {path.name}", 100 * number * PIECE / size)
            if ahead == AHEAD:
                self._answer(channel, stopped)
                ahead -= 1
            try:
                channel.send(piece)
            except OSError:
                break  # the receiver has stopped; its answer says why
            ahead += 1
        while self._answer(channel, stopped) != "there":
            ahead -= 1
            if ahead < 0:
                raise GarbledError("more was written than was sent")

    def _answer(self, channel: Any, stopped: Callable[[], bool]) -> str:
        """Return the machine's answer about a file; stop waiting when the run is stopped."""
        deadline = time.monotonic() + ANSWER
        while True:
            try:
                word, told = unpacked(channel.receive(_LOOK))
                break
            except channel.TimeoutError:
                if stopped():
                    raise MachineLostError("the run was ended") from None
                if time.monotonic() > deadline:
                    raise MachineLostError(f"{self.name} is too slow: no answer for {ANSWER:.0f} s") from None
        if word == "failed":
            raise MachineLostError(f"{self.name}: {one_line(told.get('reason'))}")
        return word

    def close(self) -> None:
        """Close the connection, which ends everything on the other machine."""
        self._connection.close(HANG_UP)


def connected(
    requests: Sequence[Request], accel: str, hardware: Hardware, shown: Shown = unseen
) -> tuple[list[Host], dict[str, str]]:
    """Return the machines that can run VMs with this hardware, and why the rest cannot; checks all concurrently."""
    found: dict[str, Host | str] = {}

    def ask(request: Request) -> None:
        try:
            found[request.machine] = Host(request, accel, hardware, shown)
        except VmError as error:
            found[request.machine] = str(error)

    threads = [threading.Thread(target=ask, args=(request,), daemon=True) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = {request.machine: found[request.machine] for request in requests}
    return (
        [host for host in answers.values() if isinstance(host, Host)],
        {name: reason for name, reason in answers.items() if isinstance(reason, str)},
    )


@functools.cache
def digest(path: Path) -> str:
    """Return the SHA-256 of a file, which is computed once."""
    return cache.digest(path)


def _parts(kernel: Kernel) -> dict[str, Path]:
    return {
        "image": kernel.image,
        "modules": kernel.modules,
        "userland": kernel.userland or image.base(),
    }


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
