# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel complains of while a test runs: lines in its log, and taints.

Both are seen from inside, so that the test is known.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

COMPLAINTS = (
    r"\bBUG: ",  # lib/bug.c, mm/, KASAN, KFENCE, lockups, atomic-sleep checks
    r"\bWARNING: ",  # kernel/panic.c __warn(), lockdep's reports
    r"\bINFO: (task .* blocked|rcu|possible|trying to register|suspicious)",  # khungtaskd, RCU stalls, lockdep
    r"\brcu: INFO: ",
    r"\b(KASAN|KCSAN|KMSAN|UBSAN|KFENCE)\b.*: ",
    r"\b(inconsistent lock state|suspicious RCU usage|bad unlock balance|circular locking|lock held when returning)",
    r"\bOops\b|\bgeneral protection fault\b|unable to handle|NULL pointer dereference",
    r"\brefcount_t: |\blist_(add|del) corruption\b|\bkmemleak: [1-9]",
)
"""Patterns of kernel log lines that mean a defect of the kernel, each with the part of the kernel that prints it."""

DEBIAN_PERMISSION_TAINT = 1 << 16
"""Debian's kernels set TAINT_AUX for every mark with a permission event, by a patch of their own; it says nothing."""

MODULE_TAINT = 1 << 12
"""TAINT_OOT_MODULE: a test has loaded a module built out of Linux' tree, as the handlers for reference kernels are."""

_COMPLAINT = re.compile("|".join(COMPLAINTS))
_KERNEL_FACILITY = 8
TAINTED = Path("/proc/sys/kernel/tainted")


class KernelComplaint(AssertionError):  # noqa: N818  it is what the kernel says, not what went wrong with us
    """The kernel reported a defect of its own while a test ran."""


def complaint(record: str) -> str | None:
    """Return the text of a ``/dev/kmsg`` record in which the kernel itself complains, else None.

    Records of user space (any facility but kern) never count, whatever they say.
    Source: Documentation/ABI/testing/dev-kmsg.
    """
    prefix, _, text = record.partition(";")
    level = prefix.split(",")[0]
    if not level.isdigit() or int(level) >= _KERNEL_FACILITY:
        return None
    return text if _COMPLAINT.search(text) else None


class Watch:
    """Compares the kernel's log and taints at two moments."""

    def __init__(self) -> None:
        """Begin at the end of the log as it is now."""
        self._log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self._log, 0, os.SEEK_END)
        self._taint = self.taint()

    @staticmethod
    def taint() -> int:
        """Return the taint flags that mean something."""
        return int(TAINTED.read_text()) & ~(DEBIAN_PERMISSION_TAINT | MODULE_TAINT)

    def _news(self) -> list[str]:
        records: list[str] = []
        while True:
            try:
                records.append(os.read(self._log, 8192).decode("utf-8", "replace").rstrip("\n"))
            except BlockingIOError:
                return records
            except BrokenPipeError:
                continue  # records were overwritten before we read them; the next read gives the oldest that is left

    def check(self) -> None:
        """Look at what is new since the last look.

        Raises:
            KernelComplaint: the kernel's log has a complaint, or a taint flag was added.
        """
        __tracebackhide__ = True
        complaints = [text for record in self._news() if (text := complaint(record))]
        before, self._taint = self._taint, self.taint()
        if added := self._taint & ~before:
            complaints.append(f"/proc/sys/kernel/tainted gained {added:#x} (was {before:#x})")
        if complaints:
            raise KernelComplaint("the kernel complained while this test ran:\n  " + "\n  ".join(complaints))

    def close(self) -> None:
        """End the watch."""
        with contextlib.suppress(OSError):
            os.close(self._log)
