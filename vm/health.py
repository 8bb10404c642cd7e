# SPDX-License-Identifier: GPL-2.0-or-later
"""Detects complaints of the kernel while a test runs, in its log and its taint flags; and guests left unclean.

This runs in the guest, so that the test is known.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import resource
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from helpers.contract.known_issues import KernelFault

RULES = Path(__file__).parent / "complaints.toml"

OVERRUN = "0,0,0,-;BUG: lines of the kernel's log were overwritten before they could be read"
"""Replaces lost records: they may have had a complaint, so the test must not pass."""


LOG_LINES = 200
"""Number of log lines kept for a test that failed; a KASAN report has about a hundred."""


@dataclass(frozen=True)
class Rules:
    """The lines of a kernel's log, and the taint flags, that mean a defect.

    Attributes:
        deny: matches lines that mean a defect.
        allow: matches lines that `deny` matches and that mean none; None if there are none.
        taints: the taint flags that do not mean a defect.
    """

    deny: re.Pattern[str]
    allow: re.Pattern[str] | None
    taints: int


def rules(text: str, today: date) -> Rules:
    """Return the rules of a file like vm/complaints.toml, without expired exceptions.

    Raises:
        KeyError, ValueError: the file is incomplete or invalid.
    """
    read = tomllib.loads(text)
    allowed = [entry["pattern"] for entry in read.get("allow", []) if entry["until"] > today]
    return Rules(
        re.compile("|".join(entry["pattern"] for entry in read["deny"])),
        re.compile("|".join(allowed)) if allowed else None,
        sum(1 << entry["bit"] for entry in read.get("taint", [])),
    )


@functools.cache
def _rules() -> Rules:
    return rules(RULES.read_text(), datetime.now(UTC).date())


_KERNEL_FACILITY = 8
TAINTED = Path("/proc/sys/kernel/tainted")


class KernelComplaint(KernelFault):
    """The kernel complained of a defect while a test ran."""


def complaint(record: str) -> str | None:
    """Return the text of a ``/dev/kmsg`` record if it is a complaint of the kernel, else None.

    Records of user space (any facility other than kern) never count.
    Source: Documentation/ABI/testing/dev-kmsg.
    """
    prefix, _, text = record.partition(";")
    level = prefix.split(",")[0]
    if not level.isdigit() or int(level) >= _KERNEL_FACILITY:
        return None
    known = _rules()
    if not known.deny.search(text) or (known.allow and known.allow.search(text)):
        return None
    return text


def _line(record: str) -> str:
    """Return a record in the format of dmesg(1): the time since boot in seconds, and the text."""
    prefix, _, text = record.partition(";")
    microseconds = prefix.split(",")[2]
    return f"[{int(microseconds) / 1e6:12.6f}] {text.partition(chr(10))[0]}"


class Watch:
    """Compares the kernel's log and taint flags at two points in time."""

    def __init__(self) -> None:
        """Start at the current end of the log."""
        self._log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self._log, 0, os.SEEK_END)
        # Both stay open, because a test may unmount /proc or use all descriptors.
        self._tainted = os.open(TAINTED, os.O_RDONLY | os.O_CLOEXEC)
        self._taint = self.taint()
        self.lines: list[str] = []
        """The last LOG_LINES lines of the log between the last two checks."""

    def taint(self) -> int:
        """Return the taint flags that mean a defect."""
        return int(os.pread(self._tainted, 32, 0)) & ~_rules().taints

    def _news(self) -> list[str]:
        records: list[str] = []
        while True:
            try:
                records.append(os.read(self._log, 8192).decode("utf-8", "replace").rstrip("\n"))
            except BlockingIOError:
                return records
            except BrokenPipeError:  # records were overwritten; the next read returns the oldest one left
                records.append(OVERRUN)

    def check(self) -> None:
        """Check the log and the taint flags since the last check.

        Raises:
            KernelComplaint: the log has a complaint, or a taint flag was added.
        """
        __tracebackhide__ = True
        news = self._news()
        self.lines = [_line(record) for record in news[-LOG_LINES:]]
        complaints = [text for record in news if (text := complaint(record))]
        before, self._taint = self._taint, self.taint()
        if added := self._taint & ~before:
            complaints.append(f"/proc/sys/kernel/tainted gained {added:#x} (was {before:#x})")
        if complaints:
            raise KernelComplaint(*complaints)

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._log, self._tainted):
            with contextlib.suppress(OSError):
                os.close(descriptor)


# --- what a test must leave as it found it ------------------------------------------------------------------------

NEEDED = ("/proc/self/stat", "/sys/kernel", "/dev/null", "/dev/pts", "/dev/shm")  # noqa: S108  looked at, not used
"""Files on the file systems that init has mounted."""

ROOM = 16 << 20
"""Bytes that must be free on the root and in the directory for temporary files: less than any test needs."""

_LIMITS = {
    name: getattr(resource, name) for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_AS")
}


TO_EXIT = 2.0
"""Seconds within which a killed process must have exited."""

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, linux/sched.h


def processes() -> dict[int, str]:
    """Return the user-space processes that have not exited: pid -> name. See proc_pid_stat(5)."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            before, _, after = stat.read_text(errors="replace").rpartition(")")
            pid, _, name = before.partition(" (")
            fields = after.split()
            if fields[0] not in "ZX" and not int(fields[6]) & _KERNEL_THREAD:
                found[int(pid)] = name
    return found


class UncleanGuestError(Exception):
    """A test has left its VM in a state in which no other test may be run.

    Attributes:
        state: a description of that state.
    """

    def __init__(self, state: str) -> None:
        """Set the description of the state."""
        super().__init__(f"left the machine unclean: {state}")
        self.state = state


class Cleanliness:
    """Checks after every test whether this guest can run other tests; that takes about ten system calls."""

    def __init__(self) -> None:
        """Record the current state of the guest as clean."""
        self._limits = {name: resource.getrlimit(number) for name, number in _LIMITS.items()}
        self._time = time.monotonic()
        self._processes = processes().keys()

    def check(self) -> None:
        """Raise UncleanGuestError if the guest is no longer clean.

        A permission event that is left without a response makes this check hang. So the VM hangs while the test that
        caused it runs, not while the next one does.
        """
        __tracebackhide__ = True
        if wrong := [*self._paths(), *self._room(), *self._changed_limits(), *self._clock()]:
            raise UncleanGuestError("; ".join(wrong))

    def check_processes(self) -> None:
        """Raise UncleanGuestError if there are processes that did not exist at the start.

        Called at the end of a module, because module fixtures may keep processes until then.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + TO_EXIT
        while left := {pid: name for pid, name in processes().items() if pid not in self._processes}:
            if time.monotonic() >= deadline:
                named = ", ".join(f"{name} ({pid})" for pid, name in left.items())
                raise UncleanGuestError(f"processes that it started are left: {named}")
            time.sleep(0.01)

    @staticmethod
    def _paths() -> Iterator[str]:
        for path in NEEDED:
            try:
                Path(path).stat()
            except OSError as error:
                yield f"{path} is gone ({errno.errorcode.get(error.errno or 0, error.errno)})"
        try:
            os.close(os.open(__file__, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            yield f"a file can not be opened ({errno.errorcode.get(error.errno or 0, error.errno)})"

    @staticmethod
    def _room() -> Iterator[str]:
        for directory in ("/", tempfile.gettempdir()):
            free = os.statvfs(directory)
            if free.f_blocks and free.f_bavail * free.f_frsize < ROOM:
                yield f"{directory} is full"

    def _changed_limits(self) -> Iterator[str]:
        for name, number in _LIMITS.items():
            if (now := resource.getrlimit(number)) != self._limits[name]:
                yield f"{name} is {now[0]}, was {self._limits[name][0]}"

    def _clock(self) -> Iterator[str]:
        before, self._time = self._time, time.monotonic()
        if self._time <= before:
            yield "the clock stands still"
