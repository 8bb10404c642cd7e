# SPDX-License-Identifier: GPL-2.0-or-later
"""The other machines of a run: what a user says of them, whether they are fit, and what they were sent."""

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
"""Seconds within which a machine must answer what it can do, or have written a piece of a file."""

HANG_UP = 10.0
"""Seconds that an outpost has to end in order."""

PIECE = 256 << 10
"""Bytes of a file in one message."""

AHEAD = 8
"""How many pieces may be on their way."""

_LOOK = 0.5
"""Seconds between two looks whether the run goes on."""

_WORD = re.compile(
    r"(?P<machine>(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9_][\w.-]*)(?::(?P<places>[0-9]{1,4}))?", re.ASCII
)


@dataclass(frozen=True)
class Request:
    """What a user says of another machine.

    Attributes:
        machine: what ssh calls it, with or without a user.
        places: how many VMs it may have at once; None for as many as it can.
    """

    machine: str
    places: int | None


def requested(words: Sequence[str]) -> list[Request]:
    """Return what the values of --host ask for.

    Raises:
        VmError: one is not a machine, or says it twice.
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
"""Shows what the machine of this name is sent, as long as the context lasts."""


@contextlib.contextmanager
def unseen(_: str) -> Iterator[Progress]:
    """Show nothing."""
    yield quiet


class Host:
    """Another machine that can have VMs.

    Attributes:
        name: what ssh calls it.
        places: how many VMs it may have at once.
    """

    def __init__(self, request: Request, accel: str, hardware: Hardware, shown: Shown = unseen) -> None:
        """Connect to it, and have it say whether it is fit for VMs like this; what it is sent is `shown`.

        Raises:
            VmError: it can not be reached, or is not fit; the text says why.
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
        """Make sure that there is room for what VMs of these kernels need. Raises VmError."""
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

    # --- what a VM needs there ------------------------------------------------------------------------------------

    def prepare(self, stopped: Callable[[], bool]) -> None:
        """Send what every VM needs, so that no kernel waits for that. Raises MachineLostError."""
        self._send(image.base(), stopped)

    def machine(self, kernel: Kernel, directory: Path, number: int) -> RemoteMachine:
        """Describe the VM of this number of a kernel, whose console is kept in a directory of this machine."""
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
        """Send a file unless it is there, and return its digest. Raises MachineLostError."""
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
                break  # nobody takes any more: the answer says why
            ahead += 1
        while self._answer(channel, stopped) != "there":
            ahead -= 1
            if ahead < 0:
                raise GarbledError("more was written than was sent")

    def _answer(self, channel: Any, stopped: Callable[[], bool]) -> str:
        """Return what is said of a part, as long as the run goes on."""
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
        """End the connection, and with it all that is left there."""
        self._connection.close(HANG_UP)


def connected(
    requests: Sequence[Request], accel: str, hardware: Hardware, shown: Shown = unseen
) -> tuple[list[Host], dict[str, str]]:
    """Return the machines that are fit for VMs like this, and why the others are not; all are asked at once."""
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
    """Return the SHA-256 of a file, which is taken once."""
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
