# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors on the host, with messages for users."""

from __future__ import annotations

from vm.life import Ending

NO_ASSERTS = (
    "Python runs with -O or PYTHONOPTIMIZE, which leaves out the asserts of the tests; run it without"
)


class VmError(Exception):
    """An error that the user can fix; its text says what happened, where, and what to do.

    Commands print it as one line, without a traceback, and exit with 2.
    """


class UnfitKernelError(VmError):
    """The path of a user's kernel has nothing to boot, for example because it was not built."""


class MachineLostError(Exception):
    """Another machine has failed, for example because it is unreachable, full or too slow; the text names it."""


class BootError(VmError):
    """A VM did not boot.

    Attributes:
        end: how it ended.
        console: the last lines of its console.
    """

    def __init__(self, text: str, *, end: Ending, console: str) -> None:
        """Set the text, how the VM ended, and the last lines of its console."""
        super().__init__(text)
        self.end = end
        self.console = console
