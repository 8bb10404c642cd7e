# SPDX-License-Identifier: GPL-2.0-or-later
"""The console of a VM: copied to a file of bounded size, and searched for the reason why the VM ended."""

from __future__ import annotations

import re
import threading
from collections import deque
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from vm.life import Ending

LIMIT = 8 << 20
"""Maximum size of the console file in bytes; a kernel in a loop prints gigabytes."""

LAST_LINES, LONGEST = 60, 1000
"""Maximum number of lines, and their length in characters, that are kept for the result of a lost VM."""

_CHUNK = 1 << 16
_TAIL = 256 << 10


class Console:
    """Copies a VM's console into a file in a separate thread, so that QEMU never blocks on it."""

    def __init__(self, log: Path, before: bytes = b"") -> None:
        """Write the console to `log`, which begins with `before`, the output of a restored VM until it was saved."""
        self._log = log
        self._changed = threading.Condition()
        self._tail: deque[bytes] = deque()
        self._kept = self._size = 0
        self._ended = False
        self._thread: threading.Thread | None = None
        self._file: BinaryIO | None = None
        self._open()
        self.add(before)

    def _open(self) -> None:
        try:
            self._file = self._log.open("wb", buffering=0)
        except OSError:
            self._file = None  # a disk error must not end the run; the last lines are kept in memory

    def follow(self, source: BufferedReader) -> None:
        """Read `source` until it ends."""

        def read() -> None:
            while data := source.read1(_CHUNK):
                self.add(data)
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            source.close()

        self._thread = threading.Thread(target=read, daemon=True, name=f"console {self._log}")
        self._thread.start()

    def add(self, data: bytes) -> None:
        """Add output that the caller has read."""
        with self._changed:
            self._size += len(data)
            self._write(data)
            self._tail.append(data)
            while sum(map(len, self._tail)) - len(self._tail[0]) > _TAIL:
                self._tail.popleft()
            self._changed.notify_all()

    def _write(self, data: bytes) -> None:
        if self._file is None or self._kept >= LIMIT:
            return
        part = data[: LIMIT - self._kept]
        try:
            self._kept += self._file.write(part)
        except OSError:
            self._kept = LIMIT

    def wait_for(self, text: str, patience: float | None) -> bool:
        """Wait until the console shows `text`; return False if it ends first, or after `patience` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or text in self.text(), patience)
            return text in self.text()

    @property
    def ended(self) -> bool:
        """Whether the console has reached its end."""
        with self._changed:
            return self._ended

    def close(self) -> None:
        """Wait until all output is read; if the file is full, append the last lines to it."""
        if self._thread:
            self._thread.join(10)
        if self._file:
            if self._size > self._kept:
                left_out = max(0, self._size - self._kept - _TAIL)
                note = f"\n[fapitest: {left_out} bytes of this console are left out]\n".encode()
                self._kept = 0
                self._write(note + b"".join(self._tail)[-_TAIL:])
            self._file.close()
            self._file = None

    def text(self) -> str:
        """Return the end of the output so far; for a normal VM, all of it."""
        with self._changed:
            return b"".join(self._tail).decode("utf-8", "replace").replace("\r", "")

    def end(self) -> str:
        """Return the last lines."""
        return "\n".join(line[:LONGEST] for line in self.text().splitlines()[-LAST_LINES:])


# --- how a VM ended -----------------------------------------------------------------------------------------------

_BEGIN = r"^(?:\[[ \d.]+\](?:\[ *[TC]\d+\])? ?)?"
_PANIC = re.compile(_BEGIN + r"Kernel panic - not syncing: (?P<what>.*)", re.MULTILINE)
_OOPS = re.compile(
    _BEGIN + r"(?P<what>BUG: .*|Oops(?:: | -).*|general protection fault.*|kernel BUG at .*|divide error: .*"
    r"|invalid opcode: .*|stack segment: .*|double fault.*|Unable to handle .*|watchdog: BUG: .*)",
    re.MULTILINE,
)
_TRACE = re.compile(_BEGIN + r"(?:RIP: |Call Trace:|Modules linked in:)", re.MULTILINE)
_OOM = re.compile(_BEGIN + r"(?P<what>(?:Out of memory|Memory cgroup out of memory): .*)", re.MULTILINE)
_NO_MEMORY = re.compile("deadlocked on memory|Out of memory|out of memory")
_KILLED = "fapitest: the agent ended with 137"
"""The message of the guest's init if SIGKILL ended Python."""

_BEFORE = 200
"""Number of lines before a panic in which its cause is searched for."""


def headline(console: str) -> tuple[Ending, str] | None:
    """Return how a kernel ended and the line that says so, if its console has one.

    An oops is reported rather than the panic "Fatal exception" that follows every oops here (oops=panic).
    Source: arch/x86/kernel/dumpstack.c, mm/kasan/report.c, kernel/panic.c, mm/oom_kill.c.
    """
    if panic := _PANIC.search(console):
        before = "\n".join(console[: panic.start()].splitlines()[-_BEFORE:])
        # A program may print the same text; only the kernel prints registers or a call trace after it.
        if (oops := _OOPS.search(before)) and _TRACE.search(before, oops.end()):
            return Ending.OOPS, f"Kernel oops: {_without_process(oops['what'])}"
        what = panic["what"].strip()
        return (Ending.OOM if _NO_MEMORY.search(what) else Ending.PANIC), f"Kernel panic: {what[:LONGEST]}"
    if _KILLED in console and (killed := list(_OOM.finditer(console))):
        return Ending.OOM, _without_process(killed[-1]["what"])
    return None


def _without_process(text: str) -> str:
    """Remove the process from a line, so that the same defect gives the same text in every run."""
    return re.sub(r"\s+(?:CPU: \d+ )?PID: \d+.*$", "", text.strip())[:LONGEST]
