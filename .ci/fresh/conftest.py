# SPDX-License-Identifier: GPL-2.0-or-later
"""Options: which systems, and how much of the README."""

import pytest

from fresh import system


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("fresh", "the newcomer")
    group.addoption(
        "--release",
        action="append",
        choices=system.RELEASES,
        help="the Debian release to try (may be repeated; default: all)",
    )
    group.addoption(
        "--quick",
        action="store_true",
        help="only the two commands and the README's example, with few tests: some minutes",
    )
    group.addoption(
        "--whole",
        action="store_true",
        help="every command as it stands, those too that need long: some hours",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say in one line why nothing can be tried here.

    Raises:
        pytest.UsageError: this machine can not make a system and go in, or the options exclude each other.
    """
    if session.config.option.quick and session.config.option.whole:
        raise pytest.UsageError("--quick and --whole exclude each other")
    if (reason := system.why_not()) and not session.config.option.collectonly:
        raise pytest.UsageError(f"no fresh system can be made: {reason}")
