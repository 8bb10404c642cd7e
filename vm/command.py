# SPDX-License-Identifier: GPL-2.0-or-later
"""How this project calls pytest."""

from __future__ import annotations

import sys
from pathlib import Path

CONFIGURATION = Path(__file__).resolve().parent.parent / "pyproject.toml"
"""Passed explicitly: pytest would search for it beside the paths of its arguments, even the path of a kernel."""


def pytest_command(*arguments: str, python: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs pytest on this project from any directory; `python` are options of Python."""
    return [sys.executable, *python, "-m", "pytest", "-c", str(CONFIGURATION), *arguments]
