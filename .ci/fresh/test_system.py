# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine is asked before a system is made."""

import fcntl
import os
from pathlib import Path

import pytest

from fresh import system

SOURCES = {
    "one-line": ("x.list", "deb {} trixie main\n"),
    "deb822": ("x.sources", "Types: deb\nURIs: {}\nSuites: trixie\nComponents: main\n\n"),
}


def an_archive(directory: Path, origin: str) -> str:
    (directory / "dists/trixie").mkdir(parents=True)
    (directory / "dists/trixie/InRelease").write_text(f"Origin: {origin}\n")
    return f"file:{directory}"


@pytest.mark.parametrize(("name", "source"), SOURCES.values(), ids=SOURCES)
def test_the_archive_is_known_by_its_origin(
    name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_others, of_debian = an_archive(tmp_path / "debian", "Else"), an_archive(tmp_path / "x", "Debian")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / name).write_text(source.format(of_others) + source.format(of_debian))
    settings = f'Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "{tmp_path}/parts";'
    (tmp_path / "apt.conf").write_text(settings)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    assert system.archive("trixie") == of_debian
    with pytest.raises(system.CannotBuildError, match="has bookworm"):
        system.archive("bookworm")


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert system.why_not().startswith("mmdebstrap, unshare")


def test_what_pip_is_told_of_this_disk_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index/simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file://{tmp_path}/index/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path}/wheels {tmp_path}/none")
    shared = system.shared_directories()
    assert {tmp_path / "index", tmp_path / "wheels"} <= shared
    assert tmp_path / "none" not in shared


def test_what_a_killed_run_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left, used = tmp_path / "trixie-root-a", tmp_path / "trixie-root-b"
    left.mkdir()
    used.mkdir()
    descriptor = os.open(used, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    system.sweep(tmp_path)
    os.close(descriptor)
    assert [path for path in (left, used) if path.exists()] == [used]
