# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures for tests of processes, of features and of the plugin."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import baseline, features

BEHAVIOURS = """
[INIT-BASIC]
statement = "works"
source = "fanotify_init(2)"
since = "2.6.37"
[INIT-OTHER]
statement = "works too"
source = "fanotify_init(2)"
since = "2.6.37"
"""


def _children() -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            before, _, after = stat.read_text(errors="replace").rpartition(")")
            if int(after.split()[1]) == os.getpid():
                found.add(int(before.partition(" ")[0]))
    return found


@pytest.fixture
def children() -> Callable[[], set[int]]:
    """Return a function that lists this process's children, including zombies; see proc_pid_stat(5)."""
    return _children


@pytest.fixture
def nothing_known() -> Iterator[None]:
    """Let features be found out anew, and hold the kernel against nothing."""
    features.has.cache_clear()
    features._answers.cache_clear()
    baseline.choose({"name": "none", "features": []})
    yield
    features.has.cache_clear()
    features._answers.cache_clear()
    baseline.choose(None)
    features.new()


@pytest.fixture
def suite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give a project with a suite that has behaviours and no tests, for root; the module has the plugin pytester."""
    pytester: pytest.Pytester = request.getfixturevalue("pytester")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib", "--strict-markers"]'
    )
    pytester.makeconftest('pytest_plugins = ["helpers.plugin"]')
    folder = pytester.mkdir("suites") / "fanotify_init"
    folder.mkdir()
    (folder / "behaviours.toml").write_text(BEHAVIOURS)
    return pytester
