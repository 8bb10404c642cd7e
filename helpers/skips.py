# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a test may be skipped. A missing tool or privilege is no reason inside a VM: it is an error there."""

from typing import NoReturn

from _pytest.outcomes import Skipped


class TypedSkip(Skipped):
    """A skip which says what is missing: `kind` for machines, the message for people."""

    def __init__(self, kind: str, text: str) -> None:
        """Make the skip; `kind` is one of the names that the functions below give."""
        super().__init__(text, _use_item_location=True)
        self.kind = kind
        self.text = text

    def __reduce__(self) -> tuple[type["TypedSkip"], tuple[str, str]]:
        """Travel from a child process whole."""
        return TypedSkip, (self.kind, self.text)


def not_implemented(text: str) -> NoReturn:
    """Skip: this kernel does not have the feature."""
    raise TypedSkip("not-implemented", text)


def kconfig(text: str) -> NoReturn:
    """Skip: this kernel was built without the feature."""
    raise TypedSkip("kconfig", text)


def filesystem(text: str) -> NoReturn:
    """Skip: no filesystem here can show the behaviour."""
    raise TypedSkip("filesystem", text)
