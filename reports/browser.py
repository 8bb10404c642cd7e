# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium without a window, for the tests and the benchmark of the page. Selenium is of the check environment."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Program -> Debian package."""

_FLAGS = (
    "--headless",
    "--no-sandbox",  # we are root in a machine of our own, and open our own page
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowserError(Exception):
    """Chromium is missing; the text says what to install."""


@contextmanager
def chromium(width: int = 1300, height: int = 900, *flags: str) -> Iterator["Chrome"]:
    """Start Chromium with a profile of its own and end it. Raises NoBrowserError."""
    programs = {program: shutil.which(program) for program in PACKAGES}
    if missing := [PACKAGES[program] for program, path in programs.items() if not path]:
        raise NoBrowserError(f"{' and '.join(missing)} missing; install: apt install {' '.join(missing)}")
    try:
        from selenium import webdriver  # noqa: PLC0415 - users of the suites do not have it
        from selenium.webdriver.chrome.service import Service  # noqa: PLC0415
    except ImportError:
        raise NoBrowserError("selenium is missing: this runs in the environment of tox -e check") from None
    with tempfile.TemporaryDirectory(prefix="fapitest-chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(programs["chromium"])
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", *flags):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(str(programs["chromedriver"])))
        try:
            yield driver
        finally:
            driver.quit()
