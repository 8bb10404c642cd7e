# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes and threads that call a function on request, report that it is done, and then wait.

Each step is synchronous: `act` returns when the function is done, `exit` when the process is a zombie, and a zombie
stays one until `reap`. A child first closes every descriptor that it inherited, so that it does not keep a fanotify
group alive.

Leaving the context of an actor kills and reaps it, whatever state it is in.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from helpers.children import attempt, deliver
from helpers.descriptors import open_descriptors
from helpers.pidfd import clone
from helpers.syscalls import number, syscall
from helpers.uapi import PR_SET_PDEATHSIG, WALL
from helpers.waiting import is_readable, readable, wait_until

Act = Callable[[], object]

_LARGEST_MESSAGE = 1 << 18


class ActorDied(AssertionError):  # noqa: N818 - what happened
    """The actor ended before its function was done: the kernel killed it, as with `ChildDied`."""


class Actor:
    """A child process that calls `act` on request.

    `keep` are the descriptors that it inherits. `make` creates the child, by default as fork(2) does: it gets the
    function that the child must call, and returns the child's pid. The steps, each of which is synchronous: `act` (or
    `start` and `finish`), `exit` (or `leave`), `reap`.
    """

    def __init__(
        self, act: Act, *, make: Callable[[Act], int] | None = None, keep: Iterable[int] = ()
    ) -> None:
        """Fork the child, and wait until it has closed the inherited descriptors."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {0, 1, 2, theirs.fileno(), *keep}
        with theirs:
            self.pid = (make or _fork)(lambda: self._live(theirs, kept, act))
        try:
            self.finish()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the actor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill and reap the child, unless it has been reaped already."""
        self.close()

    def start(self) -> None:
        """Start the act without waiting for it."""
        self._channel.send(b"act")

    def finish(self, deadline: float = 5) -> Any:
        """Wait until the act is done; return its result, or raise its exception."""
        readable(self._channel, f"actor {self.pid} to act", deadline)
        message = self._channel.recv(_LARGEST_MESSAGE)
        if not message:
            raise ActorDied(f"actor {self.pid} ended without an answer")
        return deliver(message)

    def is_done(self) -> bool:
        """Return whether the act that was started is done, so that `finish` does not block."""
        return is_readable(self._channel)

    def act(self) -> Any:
        """Run the act, wait until it is done, and return its result or raise its exception."""
        self.start()
        return self.finish()

    def exit(self, status: int = 0) -> None:
        """Make the actor exit, and wait until it is a zombie."""
        self.leave(status)
        self.await_zombie()

    def leave(self, status: int = 0) -> None:
        """Make the actor exit, without waiting for it."""
        self._channel.send(b"%d" % status)

    def await_zombie(self) -> None:
        """Wait until the actor is a zombie, however it ends."""
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG | WALL
        wait_until(lambda: os.waitid(os.P_PID, self.pid, options), f"actor {self.pid} to exit")

    def reap(self) -> int:
        """Reap the zombie and return its exit status; for one killed by a signal, the negated signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, WALL)[1])

    def close(self) -> None:
        """Kill and reap the child, unless it has been reaped already."""
        self._channel.close()
        # While the child can be waited for its pid is not reused, so the signal cannot hit another process.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG | WALL)
            os.kill(self.pid, signal.SIGKILL)
            self.reap()

    def _live(self, channel: socket.socket, kept: set[int], act: Act) -> NoReturn:
        syscall("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        # The handlers of the test session are not meant for its children.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for fd in open_descriptors() - kept:
            os.close(fd)
        channel.send(attempt(lambda: None))
        self._serve(channel, act)

    def _serve(self, channel: socket.socket, act: Act) -> NoReturn:
        while (request := channel.recv(_LARGEST_MESSAGE)) == b"act":
            channel.send(attempt(act))
        os._exit(int(request or b"0"))


class LeaderlessActor(Actor):
    """A child process whose thread group leader has exited, and whose second thread acts."""

    def __init__(self, act: Act) -> None:
        """Fork the child, and wait until its leader is a zombie."""
        super().__init__(act)
        wait_until(lambda: process_state(self.pid) == "Z", f"the leader of {self.pid} to exit")

    def _serve(self, channel: socket.socket, act: Act) -> NoReturn:
        threading.Thread(target=super()._serve, args=(channel, act)).start()
        # The raw system call exit(2) ends one thread; the C library's functions end the process.
        syscall("exit", 0)
        raise AssertionError("a thread outlived its exit")


class ThreadActor:
    """A thread of this process that calls `act` on request. The steps: `act`, `exit`."""

    def __init__(self, act: Act) -> None:
        """Start the thread."""
        self._act = act
        self._result: object = None
        self._error: BaseException | None = None
        self._go, self._done, self._closing = threading.Event(), threading.Event(), False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._thread.native_id
        self.tid = self._thread.native_id

    def __enter__(self) -> Self:
        """Return the actor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread."""
        self.exit()

    def act(self) -> object:
        """Run the act, wait until it is done, and return its result or raise its exception."""
        self._done.clear()
        self._go.set()
        wait_until(self._done.is_set, f"thread {self.tid} to act")
        if self._error:
            raise self._error
        return self._result

    def exit(self) -> None:
        """End the thread, and wait until the kernel has no task with its tid any more."""
        self._closing = True
        self._go.set()
        self._thread.join()
        task = Path(f"/proc/self/task/{self.tid}")
        wait_until(lambda: not task.exists(), f"thread {self.tid} to end")

    def _serve(self) -> None:
        while self._go.wait() and not self._closing:
            self._go.clear()
            try:
                self._result, self._error = self._act(), None
            except BaseException as error:  # noqa: BLE001 - raised again by act
                self._error = error
            self._done.set()


@contextlib.contextmanager
def live(act: Act) -> Iterator[Actor]:
    """Run the act in a child that stays alive."""
    with Actor(act) as actor:
        actor.act()
        yield actor


@contextlib.contextmanager
def zombie(act: Act, status: int = 0) -> Iterator[Actor]:
    """Run the act in a child that then exits and is not reaped."""
    with live(act) as actor:
        actor.exit(status)
        yield actor


@contextlib.contextmanager
def reaped(act: Act, status: int = 0) -> Iterator[Actor]:
    """Run the act in a child that then exits and is reaped; its pid may be reused."""
    with zombie(act, status) as actor:
        actor.reap()
        yield actor


def in_turn(*acts: Act) -> Act:
    """Return an act that performs the next of these each time it is called."""
    remaining = iter(acts)

    def act() -> object:
        return next(remaining)()

    return act


def process_state(pid: int) -> str:
    """Return the state letter of /proc/PID/stat: R, S, D, Z, t and so on (proc_pid_stat(5))."""
    # The name before it is in parentheses, and may itself contain parentheses.
    return (
        Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    )


def sleeps_in(pid: int, name: str) -> bool:
    """Return whether a process sleeps in this system call (proc_pid_syscall(5))."""
    # For a running process the file has the word "running" instead of a number.
    number_of_call = Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()[0]
    return number_of_call == str(number(name)) and process_state(pid) in "SD"


def _fork(child: Act) -> int:
    return clone(signal.SIGCHLD, child=child)
