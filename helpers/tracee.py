# SPDX-License-Identifier: GPL-2.0-or-later
"""A child held between two system calls, which can be made to do what Python cannot do safely (ptrace(2)).

x86_64 only: each machine has its own way to change the number of a system call that is about to begin.
"""

import copy
import os
import signal
import sys
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from helpers.actors import Act, Actor, ActorDied
from helpers.syscalls import number
from helpers.uapi import WALL
from helpers.waiting import wait_until

with warnings.catch_warnings():
    # python-ptrace 0.9.9 calls datetime.utcfromtimestamp(), of which Python warns since 3.12.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ptrace.binding import func as ptrace

_PTRACE_O_EXITKILL = 0x100000
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_SYSCALL_INSTRUCTION_SIZE = 2


class Tracee:
    """A child process which is held whenever it is not told to go on.

    It starts held, waiting to be told to act; `actor` is how it is told so, and how it is ended.
    """

    def __init__(self, act: Act) -> None:
        """Fork the child and stop it."""
        self.actor = Actor(act)
        self.pid = self.actor.pid
        self.threads: list[int] = []
        self._inside = False
        try:
            ptrace.ptrace_attach(self.pid)
            _wait_for_stop(self.pid)
            options = ptrace.PTRACE_O_TRACESYSGOOD | ptrace.PTRACE_O_TRACECLONE | _PTRACE_O_EXITKILL
            ptrace.ptrace_setoptions(self.pid, options)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the tracee."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the child with all its threads."""
        self.close()

    def close(self) -> None:
        """Kill the child with all its threads, and reap it."""
        os.kill(self.pid, signal.SIGKILL)
        # A traced thread is its tracer's to wait for, and until then its process cannot be reaped.
        for thread in self.threads:
            _wait_for_end(thread)
        self.actor.close()

    def run_to_entry(self, name: str) -> None:
        """Let the child run until it is about to make this system call, and hold it there."""
        nr = number(name)
        while True:
            self._step()
            if self._inside and ptrace.ptrace_getregs(self.pid).orig_rax == nr:
                return

    def run_to_exit(self) -> int:
        """Let the call happen at whose entry the child is held, and hold it again.

        Return what the kernel answered: a result, or a negated errno.
        """
        assert self._inside, "the child is not held at the entry of a system call"
        self._step()
        return _signed(ptrace.ptrace_getregs(self.pid).rax)

    def call(self, name: str, *arguments: int) -> int:
        """Have the child, which is held at the entry of a system call, make another one first.

        Return what the kernel answered. A thread that the call makes is held too, before its first
        instruction, and listed in `threads`.
        """
        own = ptrace.ptrace_getregs(self.pid)
        other = copy.copy(own)
        other.orig_rax = number(name)
        for register, argument in zip(_ARGUMENTS, arguments, strict=False):
            setattr(other, register, argument)
        ptrace.ptrace_setregs(self.pid, other)
        answer = self.run_to_exit()
        _repeat(self.pid, own, own.orig_rax)
        self._step()
        return answer

    def read_int(self, address: int) -> int:
        """Return the C int at an address of the child's memory."""
        with Path(f"/proc/{self.pid}/mem").open("rb") as memory:
            return int.from_bytes(os.pread(memory.fileno(), 4, address), sys.byteorder, signed=True)

    def write(self, address: int, content: bytes) -> None:
        """Overwrite the child's memory at an address."""
        with Path(f"/proc/{self.pid}/mem").open("r+b", buffering=0) as memory:
            os.pwrite(memory.fileno(), content, address)

    def end_thread(self, thread: int) -> None:
        """Have a held thread make no other system call than exit(2), and wait until it is gone."""
        registers = ptrace.ptrace_getregs(thread)
        registers.rdi = 0
        _repeat(thread, registers, number("exit"))
        ptrace.ptrace_cont(thread)
        self.threads.remove(thread)
        _wait_for_end(thread)

    def release(self) -> None:
        """Let the child run, no longer traced. Its own threads must have ended."""
        ptrace.ptrace_detach(self.pid)

    def _step(self) -> None:
        """Run to the next entry or exit of a system call."""
        passed_on = 0
        while True:
            ptrace.ptrace_syscall(self.pid, passed_on)
            status = _wait_for_stop(self.pid)
            stop, event, passed_on = os.WSTOPSIG(status), status >> 16, 0
            if stop == _SYSCALL_STOP:
                self._inside = not self._inside
                return
            if event == ptrace.PTRACE_EVENT_CLONE:
                self.threads.append(ptrace.ptrace_geteventmsg(self.pid))
                _wait_for_stop(self.threads[-1])
            elif not event:
                passed_on = stop


class Departure:
    """The end of any process, of which its tracer is told first: held on its way out, then a zombie of its own.

    The process runs until somebody else ends it. The steps, each of which waits until it has happened:
    `hold`, `become_zombie`, `let_go`.
    """

    def __init__(self, pid: int) -> None:
        """Attach to the process."""
        self.pid = pid
        ptrace.ptrace_attach(pid)
        self._traced = True
        try:
            _wait_for_stop(pid)
            ptrace.ptrace_setoptions(pid, ptrace.PTRACE_O_TRACEEXIT | _PTRACE_O_EXITKILL)
            ptrace.ptrace_cont(pid)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the departure."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process, and give it to its parent, unless that has happened yet."""
        self.close()

    def close(self) -> None:
        """Kill the process, and give it to its parent, unless that has happened yet."""
        if self._traced:
            os.kill(self.pid, signal.SIGKILL)
            _wait_for_end(self.pid)
            self._traced = False

    def hold(self) -> None:
        """Wait until the process is on its way out, before it has given anything back, and hold it there."""
        while (status := _wait_for_stop(self.pid)) >> 16 != ptrace.PTRACE_EVENT_EXIT:
            ptrace.ptrace_cont(self.pid, os.WSTOPSIG(status))

    def become_zombie(self) -> None:
        """Let the held process exit, and wait until it is a zombie, which its parent is not told of."""
        ptrace.ptrace_cont(self.pid)
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG | WALL
        wait_until(lambda: os.waitid(os.P_PID, self.pid, options), f"process {self.pid} exits")

    def let_go(self) -> None:
        """Give the zombie to its parent; if that is this process, it is reaped."""
        _wait_for_end(self.pid)
        self._traced = False


def _wait_for_stop(task: int) -> int:
    """Wait until a task stops, and return its wait status."""
    status = _wait_for(task)
    if not os.WIFSTOPPED(status):
        raise ActorDied(f"task {task} ended instead of stopping")
    return status


def _wait_for_end(task: int) -> None:
    while os.WIFSTOPPED(_wait_for(task)):
        ptrace.ptrace_cont(task)


def _wait_for(task: int) -> int:
    def changed() -> tuple[int, int] | None:
        pid, status = os.waitpid(task, os.WNOHANG | WALL)
        return (pid, status) if pid else None

    found = wait_until(changed, f"task {task} stops or ends")
    assert found
    return found[1]


def _repeat(task: int, registers: Any, nr: int) -> None:
    """Put a task right before the system call instruction that it made last, with this number in hand."""
    registers.rip -= _SYSCALL_INSTRUCTION_SIZE
    registers.rax = nr
    registers.orig_rax = 2**64 - 1  # No system call is under way which the kernel could restart.
    ptrace.ptrace_setregs(task, registers)


def _signed(register: int) -> int:
    return register - 2**64 if register >> 63 else register
