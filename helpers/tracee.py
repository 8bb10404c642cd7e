# SPDX-License-Identifier: GPL-2.0-or-later
"""Traced processes (ptrace(2)): a child that makes system calls which Python cannot make safely, and traced exits.

x86_64 only: how a tracer changes the number of a system call depends on the architecture.
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
    """A traced child process, which is stopped except while a method of this class runs it.

    It starts stopped, and waits for `actor` to start its act; `actor` also ends it.
    """

    def __init__(self, act: Act) -> None:
        """Fork the child, attach to it and stop it."""
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
        """Kill the child with all its threads, and reap it."""
        self.close()

    def close(self) -> None:
        """Kill the child with all its threads, and reap it."""
        os.kill(self.pid, signal.SIGKILL)
        # The tracer must wait for each traced thread; until then the process cannot be reaped.
        for thread in self.threads:
            _wait_for_end(thread)
        self.actor.close()

    def run_to_entry(self, name: str) -> None:
        """Run the child until it enters this system call, and stop it there."""
        nr = number(name)
        while True:
            self._step()
            if self._inside and ptrace.ptrace_getregs(self.pid).orig_rax == nr:
                return

    def run_to_exit(self) -> int:
        """Run the child to the exit of the system call at whose entry it is stopped.

        Return what the kernel returned: a result, or a negated errno.
        """
        assert self._inside, "the child is not stopped at the entry of a system call"
        self._step()
        return _signed(ptrace.ptrace_getregs(self.pid).rax)

    def call(self, name: str, *arguments: int) -> int:
        """Make the child, which is stopped at the entry of a system call, make another one first.

        Return what the kernel returned: a result, or a negated errno. A thread that the call creates is stopped before
        its first instruction, and added to `threads`.
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
        """Make a stopped thread call exit(2), and wait until it has ended."""
        registers = ptrace.ptrace_getregs(thread)
        registers.rdi = 0
        _repeat(thread, registers, number("exit"))
        ptrace.ptrace_cont(thread)
        self.threads.remove(thread)
        _wait_for_end(thread)

    def release(self) -> None:
        """Detach from the child, which then runs. Threads that `call` has created must have ended."""
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
    """A traced exit: the process stops at PTRACE_EVENT_EXIT, then becomes a zombie that only its tracer can wait for.

    The process runs until it exits or is killed. The steps, each of which is synchronous: `hold`, `become_zombie`,
    `let_go`.
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
        """Return the traced exit."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process and wait for it, unless `let_go` has already."""
        self.close()

    def close(self) -> None:
        """Kill the process and wait for it, unless `let_go` has already."""
        if self._traced:
            os.kill(self.pid, signal.SIGKILL)
            _wait_for_end(self.pid)
            self._traced = False

    def hold(self) -> None:
        """Wait until the process stops at PTRACE_EVENT_EXIT, before it has released any resources."""
        while (status := _wait_for_stop(self.pid)) >> 16 != ptrace.PTRACE_EVENT_EXIT:
            ptrace.ptrace_cont(self.pid, os.WSTOPSIG(status))

    def become_zombie(self) -> None:
        """Continue the exit until the process is a zombie; its parent is not notified."""
        ptrace.ptrace_cont(self.pid)
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG | WALL
        wait_until(lambda: os.waitid(os.P_PID, self.pid, options), f"process {self.pid} to exit")

    def let_go(self) -> None:
        """Wait for the zombie as its tracer, so that its parent can reap it. If this is its parent, it is reaped."""
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

    found = wait_until(changed, f"task {task} to stop or end")
    assert found
    return found[1]


def _repeat(task: int, registers: Any, nr: int) -> None:
    """Move a task back to its last system call instruction, with the number of another system call."""
    registers.rip -= _SYSCALL_INSTRUCTION_SIZE
    registers.rax = nr
    registers.orig_rax = 2**64 - 1  # Not in a system call: the kernel must not restart one.
    ptrace.ptrace_setregs(task, registers)


def _signed(register: int) -> int:
    return register - 2**64 if register >> 63 else register
