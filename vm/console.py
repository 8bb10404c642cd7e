# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel prints on its console: kept in a file of bounded size, and read for how the VM ended."""

from __future__ import annotations

import re
import threading
from collections import deque
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from vm.life import Ending

LIMIT = 8 << 20
"""Bytes of a console that are kept in its file; a kernel in a loop prints gigabytes."""

LAST_LINES, LONGEST = 60, 1000
"""How many lines, of how many characters, are kept for the result of a lost VM."""

_CHUNK = 1 << 16
_TAIL = 256 << 10


class Console:
    """Copies a VM's console into a file, in a thread of its own, so that QEMU never waits for it."""

    def __init__(self, log: Path, before: bytes = b"") -> None:
        """Keep the console in the file `log`, beginning with what a restored VM printed `before`."""
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
            self._file = None  # a full or missing disk costs the file, not the run: the end is kept in memory

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
        """Keep what was printed, which somebody else has read."""
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
        """Wait until the console shows `text`; False when it has ended, or does not within `patience` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or text in self.text(), patience)
            return text in self.text()

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come."""
        with self._changed:
            return self._ended

    def close(self) -> None:
        """Wait until all that was printed has been read, and end the file with the last of it, if that is not there."""
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
        """Return the last part of what the VM has printed so far: all of it, of an ordinary VM."""
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
"""What the guest's init says when SIGKILL ended Python."""

_BEFORE = 200
"""How many lines before a panic tell of its cause."""


def headline(console: str) -> tuple[Ending, str] | None:
    """Return what ended a kernel, if its console tells: how, and the line that names it.

    An oops is more telling than the panic that it ends in, "Fatal exception": every oops is one here (oops=panic).
    Source: arch/x86/kernel/dumpstack.c, mm/kasan/report.c, kernel/panic.c, mm/oom_kill.c.
    """
    if panic := _PANIC.search(console):
        before = "\n".join(console[: panic.start()].splitlines()[-_BEFORE:])
        # A program may print the same words: only the kernel's come with registers or a call trace.
        if (oops := _OOPS.search(before)) and _TRACE.search(before, oops.end()):
            return Ending.OOPS, f"Kernel oops: {_without_process(oops['what'])}"
        what = panic["what"].strip()
        return (Ending.OOM if _NO_MEMORY.search(what) else Ending.PANIC), f"Kernel panic: {what[:LONGEST]}"
    if _KILLED in console and (killed := list(_OOM.finditer(console))):
        return Ending.OOM, _without_process(killed[-1]["what"])
    return None


def _without_process(text: str) -> str:
    """Take the process out of a line: the same defect has the same name in every run."""
    return re.sub(r"\s+(?:CPU: \d+ )?PID: \d+.*$", "", text.strip())[:LONGEST]
