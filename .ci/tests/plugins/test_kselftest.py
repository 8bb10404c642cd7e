# SPDX-License-Identifier: GPL-2.0-or-later
"""kselftest/ under the make of a real kernel tree. Needs root, make, perl and rsync, and Debian's archive once."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vm import archive, cache
from vm.archive import Suite

pytestmark = pytest.mark.timeout(900)

SCRIPT = "kselftest/fanotify_pidfd.sh"
SOURCE = "linux-source-6.12"
PARTS = [
    f"tools/testing/selftests/{name}" for name in ("Makefile", "lib.mk", "run_kselftest.sh", "kselftest")
]
ARGUMENTS = "KSELFTEST_FANOTIFY_PIDFD_SH_ARGS"
"""From this variable kselftest's runner takes what is added to the program's command line."""

PLACE = "tools/testing/selftests/fapitest"
LINK = f'ln -s "$ROOT/kselftest" {PLACE}'
MOUNT = f'mkdir {PLACE} && mount --bind "$ROOT/kselftest" {PLACE}'
COPY = f'cp -r "$ROOT/kselftest" {PLACE}'
RUN_TESTS = "make -C tools/testing/selftests TARGETS=fapitest run_tests"
INSTALL = "make -C tools/testing/selftests TARGETS=fapitest install"


@pytest.fixture(scope="session")
def selftests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with what runs the selftests of Debian's kernel source, kept: the whole source is 150 MB."""
    suite = Suite("trixie")
    suite.update()
    package = archive.newest(suite.packages(re.escape(SOURCE)))
    assert package, f"Debian's archive has no {SOURCE}"
    kept = cache.root() / "selftests" / package.version
    with cache.lock("selftests"):
        if cache.stored(kept) is None:
            with cache.storing(kept, {}) as making:
                scratch = tmp_path_factory.mktemp("source")
                (deb,) = suite.download([SOURCE], scratch, lambda *_: None)
                unpack(deb, scratch / "tree")
                shutil.make_archive(str(making / "selftests"), "tar", scratch / "tree")
                deb.unlink()
    return kept / "selftests.tar"


def unpack(deb: Path, tree: Path) -> None:
    tree.mkdir()
    wanted = shlex.join(f"{SOURCE}/{part}" for part in [*PARTS, "scripts/subarch.include"])
    script = (
        f"dpkg-deb --fsys-tarfile {shlex.quote(str(deb))} | tar -xO ./usr/src/{SOURCE}.tar.xz"
        f" | tar -xJ --strip-components=1 {wanted}"
    )
    subprocess.run(["sh", "-c", script], cwd=tree, check=True)


@pytest.fixture
def tree(selftests: Path, tmp_path: Path) -> Path:
    """A kernel tree."""
    shutil.unpack_archive(selftests, tmp_path / "linux", filter="data")
    return tmp_path / "linux"


@pytest.fixture
def in_tree(run: Any, project: Any, tree: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run commands of a shell in a kernel tree, asking for the harmless test; what they mount is gone afterwards."""

    def run_commands(*commands: str) -> subprocess.CompletedProcess[str]:
        script = "\n".join(["set -e", *commands])
        variables = {"ROOT": project.directory, ARGUMENTS: project.green}
        done: subprocess.CompletedProcess[str] = run(
            "unshare", "--mount", "sh", "-c", script, cwd=tree, **variables
        )
        return done

    return run_commands


@pytest.mark.parametrize(
    ("place", "call"),
    [
        pytest.param(LINK, RUN_TESTS, id="link"),
        pytest.param(MOUNT, f'{RUN_TESTS} FAPITEST="$ROOT"', id="mount"),
        pytest.param(COPY, f'{RUN_TESTS} FAPITEST="$ROOT"', id="copy"),
        # the kernel's top Makefile sets this, for which it wants a whole tree
        pytest.param(
            COPY, f'building_out_of_srctree=1 {RUN_TESTS} O=out FAPITEST="$ROOT"', id="copy-built-elsewhere"
        ),
    ],
)
def test_make_runs_the_suites(in_tree: Any, place: str, call: str) -> None:
    done = in_tree(place, call)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert {"# timeout set to 3600", "# KTAP version 1", "# ok 1 pidfd_wait.test_wait.test_leader"} <= set(
        lines
    )
    assert "ok 1 selftests: fapitest: fanotify_pidfd.sh" in lines


def test_a_link_is_understood_inside_too(in_tree: Any) -> None:
    done = in_tree(LINK, f"cd {PLACE}", "make -s emit_tests COLLECTION=fapitest")
    assert done.stdout.splitlines()[-1] == "fapitest:fanotify_pidfd.sh"


def test_with_a_summary_the_suites_speak_elsewhere(in_tree: Any) -> None:
    done = in_tree(LINK, f"{RUN_TESTS} -s O=out summary=1")
    assert done.stdout.splitlines() == [
        "TAP version 13",
        "1..1",
        "# selftests: fapitest: fanotify_pidfd.sh",
        "ok 1 selftests: fapitest: fanotify_pidfd.sh",
    ]


def test_what_is_installed_runs_without_the_tree(in_tree: Any, tree: Path) -> None:
    installed = tree.parent / "installed"
    install = f'{INSTALL} INSTALL_PATH="{installed}"'
    commands = (LINK, install, f'rm -r "{tree}"', "cd /", f'"{installed}/run_kselftest.sh"')
    done = in_tree(*commands)
    assert f"rootdir: {installed}/fapitest/project\n" in done.stdout
    assert "\nok 1 selftests: fapitest: fanotify_pidfd.sh\n" in done.stdout


def test_a_copy_says_what_it_needs(in_tree: Any) -> None:
    done = in_tree(COPY, RUN_TESTS)
    assert "# 1..0 # SKIP set FAPITEST to the directory of the fapitest project" in done.stdout
    assert "\nok 1 selftests: fapitest: fanotify_pidfd.sh # SKIP\n" in done.stdout
    done = in_tree(INSTALL)
    assert done.returncode != 0
    assert "set FAPITEST to the project's directory" in done.stdout


def test_a_link_says_where_make_is_to_be_called(in_tree: Any) -> None:
    done = in_tree(LINK, f"make -C {PLACE} run_tests")
    assert done.returncode != 0
    assert "call make in tools/testing/selftests" in done.stdout


@pytest.mark.parametrize(
    ("tests", "code", "says"),
    [
        (["green", "skipped"], 0, "\nok 2 pidfd_wait.test_made_up.test_skipped # SKIP "),
        (["green", "red"], 1, "\nnot ok 2 pidfd_wait.test_made_up.test_red\n"),
        (["skipped"], 4, "\nok 1 pidfd_wait.test_made_up.test_skipped # SKIP "),
    ],
    ids=["pass", "fail", "skip"],
)
def test_exit_codes_are_those_of_kselftest(
    run: Any, project: Any, tmp_path: Path, tests: list[str], code: int, says: str
) -> None:
    selection = [getattr(project, name) for name in tests]
    done = run(project.directory / SCRIPT, *selection, FAPITEST_RESULTS=tmp_path / "kept")
    assert done.returncode == code, done.stdout
    assert says in done.stdout
    assert (tmp_path / "kept" / "matrix.html").exists()


def test_a_run_without_results_fails(run: Any, project: Any) -> None:
    done = run(project.directory / SCRIPT, "suites/nowhere")
    assert done.returncode == 1
    assert done.stdout.endswith("Bail out! There are no results; what is above tells why.\n")
