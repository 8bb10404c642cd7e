# SPDX-License-Identifier: GPL-2.0-or-later
"""A place is a slot for VMs: a thread that runs one VM after the other, and owns each from its boot to its end.

Boot or restore, connect, hand out tests and close are one scope. So an exception ends this VM and nothing else, and
QEMU's parent thread lives as long as QEMU, which ``--pdeathsig`` needs: it watches the thread, not the process. The
session learns about VMs only from the events of places. Each state has a timeout. (Modelled on syzkaller's
vm/dispatcher.)
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
"""Seconds after closing its port until a VM that has not ended is killed."""


TO_COLLECT = 120.0
"""Timeout in seconds for pytest to start in a VM, and then for it to collect its tests."""

# --- events for the session ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lost:
    """A VM has ended too early.

    Attributes:
        test: the test that it was running; "" if there was none.
        reason: why it ended, as text.
        stage: the state that it was in.
        console: the last lines of its console.
        again: whether the kernel's remaining tests will run in another VM.
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
    """Tests that will not be run, and the reason."""

    kernel: str
    tests: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Free:
    """A place has ended: it has nothing left to do, or its machine has failed for the given reason."""

    reason: str = ""


class Vm(Protocol):
    """The interface of a VM, on this machine or on another; see vm/machine.py."""

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
    """A thread that runs VMs of the kernels that the scheduler returns, until there is nothing left to do."""

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
        """`tell` takes events, `machine` describes the next VM of a kernel, `order` returns the order for its guest.

        `silence` is the timeout in seconds for events of a VM that runs tests. `where` names the machine of the place
        if it is another one; `prepare` makes that ready for VMs, and stops early if its argument returns true.
        """
        self._tell = tell
        self._scheduler = scheduler
        self._machine = machine
        self._silence = silence
        self._order = order
        self._where = where
        self._prepare = prepare
        self._failed = ""
        """Why the machine has failed; "" if it has not."""
        self._current: Vm | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="place")

    def start(self) -> None:
        """Start the thread."""
        self._scheduler.enter(self._where)
        self._thread.start()

    def stop(self) -> None:
        """Kill the current VM and start no other; return at once."""
        self._stopped.set()
        if (machine := self._current) is not None:
            machine.interrupt()

    def join(self, patience: float | None = None) -> None:
        """Wait until the place has ended, or for this many seconds; what is left then ends with the process."""
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
        """Run one VM, from its boot to its end."""
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
        except Exception as error:  # noqa: BLE001  an error with one VM must end only that VM
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
        """Run a VM until it ends; return how it ended, and why."""
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
        """Return the timeout in seconds for a VM in this state."""
        return self._silence if state is State.RUNNING else max(self._silence, TO_COLLECT)

    # --- a VM that is lost ----------------------------------------------------------------------------------------

    def _lose(self, life: Life, talk: Conversation, ending: Ending, reason: str, console: str) -> None:
        """Report how a VM ended, and decide whether its kernel's tests continue in another one."""
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
