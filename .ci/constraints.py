# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes constraints.txt: the releases of all packages of the environment that runs it (tox -e constraints)."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "constraints.txt"
HEAD = """\
# SPDX-License-Identifier: GPL-2.0-or-later
# The releases with which the project was tested. tox -e newest tries the newest, tox -e constraints writes them here.
"""


def main() -> None:
    """Write the file."""
    found = {f"{found.metadata['Name']}=={found.version}" for found in distributions()}
    TARGET.write_text(HEAD + "".join(f"{line}\n" for line in sorted(found, key=str.lower)))


if __name__ == "__main__":
    main()
