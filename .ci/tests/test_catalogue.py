# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in two places is the same: kernels and their tox environments."""

import re
from pathlib import Path

from vm.catalogue import REFERENCE, SERIES

TOX = (Path(__file__).resolve().parents[2] / "tox.ini").read_text()


def environments(section: str) -> set[str]:
    """Return the names that a section of tox.ini stands for."""
    found = re.search(rf"\[testenv:vm-\{{({section}[^}}]*)\}}", TOX)
    assert found
    return set(found[1].split(","))


def test_each_kernel_of_the_catalogue_has_an_environment() -> None:
    assert environments(r"\d") == set(SERIES)


def test_each_reference_kernel_has_an_environment() -> None:
    assert environments("ref-") == {f"ref-{series}" for series in REFERENCE}
