# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that the running kernel was built with, where it or its distribution tells them."""

import gzip
import os
import re
import zlib
from pathlib import Path

PLACES = ("/proc/config.gz", "/boot/config-{}", "/lib/modules/{}/config", "/usr/lib/modules/{}/config")
"""Where the configuration of a release lies: CONFIG_IKCONFIG_PROC, Debian and RPM, Fedora. A VM has the second."""

_SET = re.compile(r"^CONFIG_(\w+)=[ym]$", re.MULTILINE)


def options() -> frozenset[str] | None:
    """Return the names, without CONFIG_, of the options that are set, or None where no configuration is to be seen."""
    for place in PLACES:
        path = Path(place.format(os.uname().release))
        try:
            content = path.read_bytes()
            text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "replace")
        except (OSError, EOFError, zlib.error):
            continue  # it lies in another place, or in none
        if found := _SET.findall(text):
            return frozenset(found)
    return None
