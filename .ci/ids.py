# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes suites/ids.txt: the ids of all tests of the suites (python .ci/ids.py)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "suites" / "ids.txt"
HEAD = """\
# SPDX-License-Identifier: GPL-2.0-or-later
# The ids of all tests, by which results are compared over years; python .ci/ids.py writes them here.
"""


def collected() -> list[str]:
    """Return the ids of all tests of the suites, sorted. Raises SystemExit if not all can be collected."""
    options = ["-c", str(ROOT / "pyproject.toml"), "--collect-only", "-q", "suites"]
    said = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if said.returncode:
        raise SystemExit(said.stdout + said.stderr)
    return sorted(line for line in said.stdout.splitlines() if line.startswith("suites/"))


def main() -> None:
    """Write the file."""
    TARGET.write_text(HEAD + "".join(f"{line}\n" for line in collected()), encoding="ascii")


if __name__ == "__main__":
    main()
