# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong on the host's side, said to a person."""

from __future__ import annotations


class VmError(Exception):
    """Something that a person can put right; its text says what happened, where, and what to do.

    Commands print it as one line and exit with 2; it never shows a traceback.
    """


class BootError(VmError):
    """A VM that did not come up.

    Attributes:
        end: how it ended: ``panic``, ``hang`` or ``lost``.
        console: the last lines of its console.
    """

    def __init__(self, text: str, *, end: str, console: str) -> None:
        """Keep how the VM ended and the last lines of its console beside the text."""
        super().__init__(text)
        self.end = end
        self.console = console
