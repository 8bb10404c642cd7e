# SPDX-License-Identifier: GPL-2.0-or-later
"""A place is where a VM can live: one thread, which owns the whole life of each VM that it has, one after the other.

Boot or restore, connect, hand out tests, close: a scope, so that an exception ends this VM and nothing else, and so
that QEMU's parent thread lives as long as QEMU (``--pdeathsig`` counts threads). What happens is told to the session as
events; nobody else keeps track of VMs. Each state has a deadline. (The model is syzkaller's vm/dispatcher.)
"""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from vm.bootimage import Kernel
from vm.conversation import Changed, Conversation, EndedEarlyError, UncleanError
from vm.errors import BootError, MachineLostError, VmError
from vm.life import Ending, Life, State
from vm.link import Gone, Link, Silence
from vm.protocol import Nonsense
from vm.scheduler import Scheduler

LAST_WORDS = 5.0
"""Seconds that a VM has to end by itself once its port is closed, before it is ended."""


TO_COLLECT = 120.0
"""Seconds within which pytest must have begun in a VM, and again within which it must have collected its tests."""

# --- what a place tells the session -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lost:
    """A VM has ended before its time.

    Attributes:
        test: the test that it was running; "" if there was none.
        reason: why it ended, in words.
        stage: the state that it was in.
        console: the last lines of its console.
        again: whether the kernel has other tests, which go on in another VM.
    """

    life: Life
    ending: Ending
    test: str
    reason: str
    stage: State
    console: str
    again: bool


@dataclass(frozen=True)
class GivenUp:
    """Tests that will not be run, and why."""

    kernel: str
    tests: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Free:
    """A place has ended: there is nothing left for it to do, or its machine has failed, for a reason in words."""

    reason: str = ""


class Vm(Protocol):
    """What a place must know of a VM, be it on this machine or on another; see vm/machine.py."""

    kernel: Kernel
    accel: str
    number: int

    @property
    def socket(self) -> Path | socket.socket: ...  # noqa: D102

    def start(self) -> None: ...  # noqa: D102
    def wait_ready(self) -> float: ...  # noqa: D102
    def order(self, **wanted: Any) -> bytes: ...  # noqa: D102
    def starved(self) -> float: ...  # noqa: D102
    def interrupt(self) -> None: ...  # noqa: D102
    def kill(self, reason: Ending | None = None) -> None: ...  # noqa: D102
    def wait(self, deadline: float) -> bool: ...  # noqa: D102
    def ending(self) -> tuple[Ending, str]: ...  # noqa: D102
    def console_end(self) -> str: ...  # noqa: D102


class Place:
    """A thread that serves kernels, as the scheduler says, until nothing is left to do."""

    def __init__(
        self,
        tell: SimpleQueue[object],
        scheduler: Scheduler,
        machine: Callable[[str], Vm],
        silence: float,
        order: Callable[[str], dict[str, Any]],
        *,
        where: str = "",
        prepare: Callable[[Callable[[], bool]], None] | None = None,
    ) -> None:
        """`tell` takes events, `machine` describes the next VM of a kernel, `order` what its guest is asked to do.

        `silence` is for how many seconds a VM that runs tests may say nothing. `where` names the machine that the place
        is on, if it is another one; `prepare` makes it ready for VMs, unless what it is given says that it shall stop.
        """
        self._tell = tell
        self._scheduler = scheduler
        self._machine = machine
        self._silence = silence
        self._order = order
        self._where = where
        self._prepare = prepare
        self._failed = ""
        """Why the machine is of no more use."""
        self._current: Vm | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="place")

    def start(self) -> None:
        """Begin."""
        self._scheduler.enter(self._where)
        self._thread.start()

    def stop(self) -> None:
        """End the VM that there is, and begin no other; returns at once."""
        self._stopped.set()
        if (machine := self._current) is not None:
            machine.interrupt()

    def join(self, patience: float | None = None) -> None:
        """Wait until the place has ended, or for so many seconds; what is left of it then ends with the process."""
        self._thread.join(patience)

    def _serve(self) -> None:
        try:
            if self._prepare:
                self._prepare(self._stopped.is_set)
            while not self._stopped.is_set() and not self._failed:
                if (kernel := self._scheduler.next_kernel(self._where)) is None:
                    break
                try:
                    self._live(kernel)
                finally:
                    self._scheduler.leave(kernel)
        except MachineLostError as error:
            self._failed = str(error)
        finally:
            self._scheduler.quit(self._where)
            self._tell.put(Free("" if self._stopped.is_set() else self._failed))

    # --- one life -------------------------------------------------------------------------------------------------

    def _live(self, kernel: str) -> None:
        """Have one VM, from its boot to its end."""
        life = Life(kernel)
        talk = Conversation(life, self._scheduler, self._tell.put, lambda: self._patience(life.state))
        console = ""
        try:
            with self._owning(kernel) as machine:
                life.number = machine.number
                self._tell.put(Changed(life, State.BOOTING))
                try:
                    ending, reason = self._ending(machine, talk, life)
                except MachineLostError as error:
                    ending, reason = Ending.LOST, str(error)
                    self._failed = reason
                console = machine.console_end()
        except Exception as error:  # noqa: BLE001  whatever goes wrong with one VM ends that VM
            where = traceback.extract_tb(error.__traceback__)[-1]
            ending = Ending.LOST
            reason = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        if self._stopped.is_set() or ending is Ending.DONE:
            life.end(Ending.DONE if ending is Ending.DONE else Ending.KILLED)
            self._tell.put(Changed(life, State.ENDED))
        else:
            self._lose(life, talk, ending, reason, console)

    @contextlib.contextmanager
    def _owning(self, kernel: str) -> Iterator[Vm]:
        machine = self._machine(kernel)
        self._current = machine
        try:
            if self._stopped.is_set():
                machine.interrupt()
            yield machine
        finally:
            machine.kill(Ending.DONE)
            self._current = None

    def _ending(self, machine: Vm, talk: Conversation, life: Life) -> tuple[Ending, str]:
        """Take a VM through its life and return how it ended, and why."""
        try:
            machine.start()
            life.accel = machine.accel
            talk.go(State.READY, f"ready after {machine.wait_ready():.0f} s")
            with Link(machine.socket) as link:
                talk.hold(link, machine.order(**self._order(machine.kernel.name)), machine.starved)
        except BootError as error:
            return error.end, str(error)
        except VmError as error:
            return Ending.LOST, str(error)
        except Silence as silence:
            machine.kill(Ending.HANG)
            return Ending.HANG, f"the VM stood still: {silence}"
        except Nonsense as nonsense:
            machine.kill(Ending.NONSENSE)
            return Ending.NONSENSE, f"the VM said what no guest of ours says: {nonsense}"
        except UncleanError as unclean:
            return Ending.UNCLEAN, f"a test left the machine unclean: {unclean}"
        except EndedEarlyError as ended:
            return Ending.LOST, f"pytest ended in the VM before its time: {ended}"
        except Gone:
            if not machine.wait(LAST_WORDS):
                machine.kill(Ending.LOST)
            return machine.ending()
        return Ending.DONE, ""

    def _patience(self, state: State) -> float:
        """Return for how many seconds a VM in this state may say nothing."""
        return self._silence if state is State.RUNNING else max(self._silence, TO_COLLECT)

    # --- a VM that is lost ----------------------------------------------------------------------------------------

    def _lose(self, life: Life, talk: Conversation, ending: Ending, reason: str, console: str) -> None:
        """Say what became of a VM, and decide whether its kernel goes on in another one."""
        kernel, stage = life.kernel, life.state
        if stage is State.CONNECTED and talk.collecting:
            reason = f"{reason}, while it collected {talk.collecting}"
        test, left = talk.left()
        self._scheduler.give_back(kernel, left)
        if self._failed:
            again = self._scheduler.machine_lost(kernel)
        else:
            again = self._scheduler.lost(kernel, came_up=stage is State.RUNNING, machine=self._where)
        more = not self._scheduler.has_tests(kernel) or self._scheduler.left(kernel) > 0
        life.end(ending)
        self._tell.put(Lost(life, ending, test, reason, stage, console, again and more))
        if not again and (tests_left := self._scheduler.give_up(kernel)):
            why = "no machine is left for it" if self._failed else f"too many VMs of {kernel} were lost"
            self._tell.put(GivenUp(kernel, tests_left, why))
