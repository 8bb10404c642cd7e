# SPDX-License-Identifier: GPL-2.0-or-later
"""A test's reports on their way from guest to host: one text each, where execnet would pack value by value, in Python.

Three reports a test, under emulation: packed by execnet they take longer than most tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_PACKED = "packed"


def packed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pytest makes of a report (``pytest_report_to_serializable``) as a dict with one text."""
    return {_PACKED: json.dumps(data)}


def is_packed(data: Mapping[str, Any]) -> bool:
    """Whether `data` comes from `packed`; pytest-xdist may have added to it."""
    return _PACKED in data


def unpacked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was packed, and what was added since.

    Raises:
        ValueError: it was damaged.
    """
    found: dict[str, Any] = {**json.loads(data[_PACKED]), **data}
    del found[_PACKED]
    # pytest tells a skip's place by its type (_pytest/terminal.py, _folded_skips), and JSON knows no tuples.
    if isinstance(found.get("longrepr"), list):
        found["longrepr"] = tuple(found["longrepr"])
    return found
