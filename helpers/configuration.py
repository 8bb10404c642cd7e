# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that the running kernel was built with, if the kernel or its distribution has them in a file."""

import gzip
import os
import re
import zlib
from pathlib import Path

PLACES = ("/proc/config.gz", "/boot/config-{}", "/lib/modules/{}/config", "/usr/lib/modules/{}/config")
"""Files with the configuration of a release: CONFIG_IKCONFIG_PROC, Debian and RPM, Fedora. VMs have the second."""

_SET = re.compile(r"^CONFIG_(\w+)=[ym]$", re.MULTILINE)


def options() -> frozenset[str] | None:
    """Return the names, without CONFIG_, of the options that are set, or None if no configuration can be read."""
    for place in PLACES:
        path = Path(place.format(os.uname().release))
        try:
            content = path.read_bytes()
            text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "replace")
        except (OSError, EOFError, zlib.error):
            continue  # try the next file
        if found := _SET.findall(text):
            return frozenset(found)
    return None
