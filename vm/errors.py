# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong on the host's side, said to a person."""

from __future__ import annotations

from vm.life import Ending

NO_ASSERTS = (
    "Python runs with -O or PYTHONOPTIMIZE, which leaves out the asserts of the tests; run it without"
)


class VmError(Exception):
    """Something that a person can put right; its text says what happened, where, and what to do.

    Commands print it as one line and exit with 2; it never shows a traceback.
    """


class UnfitKernelError(VmError):
    """There is nothing to boot where a kernel of the user's should be: it was not built, say."""


class MachineLostError(Exception):
    """Another machine has failed a VM: it is gone, full or too slow, say; the text names it and says why."""


class BootError(VmError):
    """A VM that did not come up.

    Attributes:
        end: how it ended.
        console: the last lines of its console.
    """

    def __init__(self, text: str, *, end: Ending, console: str) -> None:
        """Keep how the VM ended and the last lines of its console beside the text."""
        super().__init__(text)
        self.end = end
        self.console = console
