# SPDX-License-Identifier: GPL-2.0-or-later
"""Parsing the release of a kernel, and comparing it with those of features."""

import os

import pytest

from helpers.contract.releases import Release, point, running


def parsed(release: str, version: str = "") -> Release:
    found = Release.parse(release, version)
    assert found
    return found


@pytest.mark.parametrize(
    ("release", "version", "number", "exact"),
    [
        ("6.18.44", "", "6.18.44", True),
        ("6.18.44-fc-v657", "", "6.18.44", True),
        ("7.3.0-rc2", "", "7.3-rc2", True),
        ("7.3.0-rc2-next-20261128", "", "7.3-rc2", True),
        ("7.3-rc2-amd64", "", "7.3-rc2", True),
        ("7.3.0", "", "7.3", True),
        ("7.3.0-custom", "", "7.3", True),
        ("6.12.118+deb13-cloud-amd64", "#1 SMP Debian 6.12.118-1 (2026-11-20)", "6.12.118", True),
        ("6.1.0-56-cloud-amd64", "#1 SMP Debian 6.1.192-1 (2026-11-20)", "6.1.192", True),
        ("6.1.0-56-cloud-amd64", "", "6.1", False),
        ("6.8.0-45-generic", "#45-Ubuntu SMP Ubuntu 6.8.0-45.45-generic 6.8.12", "6.8.12", True),
        ("5.14.0-503.11.1.el9_5.x86_64", "#1 SMP", "5.14", False),
        ("6.12.117-reference-debug", "", "6.12.117", True),
        ("6.16.0-00013-g0123456789ab", "", "6.16", False),
        ("6.16.0+", "", "6.16", False),
    ],
)
def test_release(release, version, number, exact):
    found = parsed(release, version)
    assert (str(found.number), found.exact) == (number, exact)


@pytest.mark.parametrize("text", ["", "linux", "6", "next-20261128"])
def test_what_is_no_release(text: str) -> None:
    assert Release.parse(text) is None


@pytest.mark.parametrize(
    ("release", "points", "there"),
    [
        ("6.18.0", ["6.18"], True),
        ("6.18.0-rc1", ["6.18"], True),
        ("6.18.0-rc1", ["6.18-rc2"], False),
        ("6.18.0", ["6.18-rc2"], True),
        ("6.17.13", ["6.18"], False),
        ("6.17.13", ["6.18", "6.17.7", "6.12.57"], True),
        ("6.17.6", ["6.18", "6.17.7", "6.12.57"], False),
        ("6.16.12", ["6.18", "6.17.7", "6.12.57"], False),
        ("6.12.57", ["6.18", "6.17.7", "6.12.57"], True),
        ("7.0.1", ["6.18", "6.17.7", "6.12.57"], True),
        ("7.3.3", ["7.3.4", "6.12.117"], False),
        ("7.4.0-rc1", ["7.3.4", "6.12.117"], True),
        ("6.9.0", ["6.10"], False),
        ("6.9.0", [], False),
    ],
)
def test_what_a_release_has(release, points, there):
    assert parsed(release).has(map(point, points)) is there


@pytest.mark.parametrize("text", ["6", "6.12.y", "v6.12", "6.12-rc", ""])
def test_what_is_no_point(text: str) -> None:
    with pytest.raises(ValueError, match="is not a release such as"):
        point(text)


def test_the_running_kernel() -> None:
    found = running()
    assert found
    assert (found.text, found.architecture) == (os.uname().release, os.uname().machine)
