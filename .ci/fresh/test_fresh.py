# SPDX-License-Identifier: GPL-2.0-or-later
"""A newcomer types what the README says, on a minimal Debian: as root, and as an ordinary user."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache

import pytest

from fresh import readme, system
from fresh.system import PERSONS, RELEASES, Answer, Place

Where = tuple[str, str]
"""A release, and what the newcomer is there: root or an ordinary user."""

README = readme.text()
COMMANDS = readme.commands(README)
ACTIVATE = ". .tox/run/bin/activate"
EXAMPLE_SUITE = "suites/fanotify_init"
EXAMPLE = f"tox -e vm-6.12 -- {EXAMPLE_SUITE} -k thread_ids"
FEW = "-k pidfd_wait"
"""Narrows a run to some thirty quick tests. Not a path, so that a command keeps what it has of paths, or lacks."""


def nothing(place: Place) -> None:
    """Prepare nothing."""


def forget_lists(place: Place) -> None:
    """Remove what apt has fetched of the archive's lists, as images of containers and of clouds do."""
    place.do("rm -rf /var/lib/apt/lists/*")


def put_kernel(place: Place) -> None:
    """Put the kernel that was fetched where a newcomer may have one."""
    place.do("ln -s $(find ~/.cache/fapitest -path '*6.12*' -name vmlinuz | head -n 1) ~/linux")


def write_example(place: Place) -> None:
    """Write the README's example of a behaviour and of a test into a suite."""
    suite = place.checkout / EXAMPLE_SUITE
    with (suite / "behaviours.toml").open("a") as table:
        table.write("\n" + readme.example(README, "toml"))
    (suite / "test_newcomer.py").write_text(readme.example(README, "python"))


@dataclass(frozen=True, repr=False)
class Row:
    """How a command of the README is tried.

    Attributes:
        command: as it stands in the README.
        says: what must be in its output, a regular expression.
        typed: what is typed in its place, when it has words that stand for others.
        narrowed: what is put behind it so that it does not take long; not with ``--whole``.
        why: why it is not typed as it stands, or not by everybody, or only with ``--whole``.
        persons: which newcomers' systems it is tried on.
        by_root: root types it there, whoever the newcomer is.
        quick: it is part of ``--quick``.
        whole: it needs so long that it is typed with ``--whole`` only.
        told: it does not work at first, and says in one line what root must install.
        before: what is done on the machine before.
        keyboard: what is typed while it runs.
        code: its exit code.
    elsewhere: the file of the project whose tests type it instead, because it needs more than a newcomer has.
    """

    command: str
    says: str = ""
    typed: str = ""
    narrowed: str = ""
    why: str = ""
    persons: tuple[str, ...] = ("root",)
    by_root: bool = False
    quick: bool = False
    whole: bool = False
    told: bool = False
    before: Callable[[Place], None] = nothing
    keyboard: str = ""
    code: int = 0
    elsewhere: str = ""

    def line(self, *, whole: bool) -> str:
        """Return what is typed."""
        words = [self.typed or self.command]
        if self.narrowed and not whole:
            words += ["--"] if words[0].startswith("tox") and " -- " not in words[0] else []
            words += [self.narrowed]
        line = " ".join(words)
        return f"{ACTIVATE} && {line}" if line.startswith("python") else line


LONG = "takes long while VMs are emulated"
BUILDS = "builds a kernel: with its own checks up to an hour"
SUITES = r"\d+ passed.*"
FIRST = "tox -e vm-6.12"
WAYS_IN = [
    Row(
        "apt update && apt install --yes --no-install-recommends git tox",
        persons=PERSONS,
        by_root=True,
        quick=True,
    ),
    Row(FIRST, SUITES, narrowed=FEW, why=LONG, persons=("root",), quick=True, before=forget_lists),
    Row(FIRST, SUITES, narrowed=FEW, why=LONG, persons=("user",), quick=True, before=forget_lists, told=True),
]
"""After one of these that does not work, a newcomer gives up."""

ROWS = [
    *WAYS_IN,
    Row(EXAMPLE, "thread_ids.*\n(.*\n)*.*1 passed", before=write_example, quick=True),
    Row("tox -e vm-7.2 -- suites/fanotify_init -k pidfd -x", SUITES),
    Row("tox -e matrix", SUITES, narrowed=f"--kernel 6.12 {FEW}", why="fetches eleven kernels"),
    Row("tox -e matrix -- --kernel 6.1 --kernel 7.2", SUITES, narrowed=FEW, why=LONG),
    Row("tox -e vm-custom -- --kernel ~/linux", SUITES, narrowed=FEW, why=LONG, before=put_kernel),
    Row(
        "tox -e host -- --on-this-machine", SUITES, narrowed=FEW, why="this machine is not to be thrown away"
    ),
    Row(ACTIVATE, typed=f"{ACTIVATE} && command -v python", says=r"\.tox/\S+/bin/python", persons=PERSONS),
    Row("python -m pytest -c pyproject.toml --list", "requires FANOTIFY", persons=PERSONS),
    Row("python -m vm list", r"6\.12 .*trixie", persons=PERSONS, quick=True),
    Row("python -m vm doctor", "ok +QEMU", persons=PERSONS),
    Row("python -m vm setup"),
    Row("python -m vm fetch", r"6\.12: 6\.12\.", narrowed="6.12", why="fetches eleven kernels"),
    Row("python -m vm shell 6.12", "Power down", keyboard="exit\n" * 8),  # what is typed too early is lost
    Row("python -m vm shell 6.12 -- suites/pidfd_wait", SUITES),
    Row("python -m vm bench 6.12", "whole session", whole=True, why=LONG),
    Row(
        "python -m vm repeat 6.12",
        "the same verdicts",
        narrowed="--runs 2 --select suites/pidfd_wait",
        why=LONG,
    ),
    Row(
        "python -m vm repeat 6.12 7.2",
        "7.2: .*the same verdicts",
        narrowed="--runs 1 --select suites/pidfd_wait",
        why=LONG,
    ),
    Row("python -m vm baseline 6.12", r"6\.12"),
    Row("python -m vm build ref-6.12", "ref-6.12", whole=True, why=BUILDS),
    Row("tox -e vm-ref-6.12", SUITES, whole=True, why=BUILDS),
    Row(
        "python -m vm faults",
        "1 fault, 1 caught",
        whole=True,
        typed="python -m vm faults ref-6.12 queue_fd/tail",
        why=BUILDS,
    ),
    Row(
        "python -m pytest -c pyproject.toml",
        SUITES,
        typed=f"python -m pytest -c pyproject.toml --kernel 6.12 {FEW}",
    ),
    Row("python -m reports", r"6\.12 .*pass"),
    Row("python -m reports list", r"6\.12 .*pass", persons=PERSONS),
    Row("python -m reports summary", "tests +release +accel", persons=PERSONS),
    Row("python -m reports trace", "INIT-TID"),
    Row(
        "python -m reports manual",
        "not found.* install man-pages",
        code=2,
        why="a minimal system has no manual, and is told so",
    ),
    Row("python -m reports diff OLD NEW", "no changes", typed="python -m reports diff latest latest"),
    Row("python -m reports diff latest:6.12 latest:patched", elsewhere="reports/tests/test_main.py"),
    Row("python -m reports merge RUN ...", "matrix.html", typed="python -m reports merge latest"),
    Row(
        "python -m reports bench", "chromium", code=2, why="a minimal system has no Chromium, and is told so"
    ),
    Row("python -m reports matrix", "matrix.html"),
    Row("python -m reports failed", "failed.txt"),
    Row("python -m reports junit", "junit.xml"),
    Row("python -m reports ktap", "ktap.txt"),
    Row("python -m reports kcidb", "kcidb.json"),
    Row("python -m reports ltp", "ltp.json"),
    Row("python -m reports tmt", "results.yaml"),
    Row("python -m reports lava", "lava.txt"),
    Row("python -m reports allure", "allure-results"),
    Row("tox -e allure", "Node.js", code=2, why="a minimal system has no Node.js, and is told so"),
    Row("python -m vm clean", r"removed \d+"),
    Row("tox -e matrix -- --host me@big:8 --host spare", elsewhere="vm/tests/test_remote_places.py"),
    Row("tox -e matrix -- --vm-jobs 0 --host me@big", elsewhere="vm/tests/test_remote_places.py"),
    Row(
        ". ~/fapitest/.tox/run/bin/activate && cd ~/linux && git bisect start BAD GOOD",
        elsewhere="vm/tests/test_exit_codes.py",
    ),
    Row(
        "git bisect run sh -c 'make -j$(nproc) bzImage modules || exit 125",
        elsewhere="vm/tests/test_exit_codes.py",
    ),
    Row(
        "make -C ~/linux/tools/testing/selftests TARGETS=fapitest run_tests",
        elsewhere=".ci/tests/plugins/test_kselftest.py",
    ),
    Row("tox -e fresh", elsewhere=".ci/fresh/test_fresh.py"),
    Row("tox -e newest", SUITES, whole=True, why="the checks of the project, which call this one"),
    Row("tox -e constraints", whole=True, why="needs what the one before it has made"),
    Row("tox -e check,check-long", SUITES, whole=True, why="the checks of the project, which call this one"),
]


def rows(config: pytest.Config) -> Iterator[tuple[Where, Row]]:
    """Yield who types what where, as the options say."""
    for release in config.option.release or RELEASES:
        for person in PERSONS:
            for row in ROWS:
                if person in row.persons and not row.elsewhere and (row.quick or not config.option.quick):
                    yield (release, person), row


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each command for each newcomer, in the order in which they are typed."""
    if "row" in metafunc.fixturenames:
        chosen = list(rows(metafunc.config))
        ids = [f"{'-'.join(where)}-{row.command}" for where, row in chosen]
        metafunc.parametrize(("where", "row"), chosen, ids=ids)


GAVE_UP: dict[Where, str] = {}


@pytest.fixture(scope="module")
def go_to() -> Iterator[Callable[[Where], Place]]:
    """Give a way to go to a newcomer's system; the one before is removed then."""
    with ExitStack() as stack:

        @lru_cache(maxsize=1)
        def go(where: Where) -> Place:
            stack.close()
            return stack.enter_context(system.place(*where))

        yield go


@pytest.fixture
def place(where: Where, go_to: Callable[[Where], Place]) -> Place:
    """Give the system of a newcomer who has not given up."""
    if where in GAVE_UP:
        pytest.skip(f"the newcomer gave up at: {GAVE_UP[where]}")
    GAVE_UP[where] = "making the system"
    here = go_to(where)
    GAVE_UP.pop(where)
    return here


def test_table_and_readme_name_the_same_commands() -> None:
    known = {row.command for row in ROWS}
    assert [command for command in COMMANDS if command not in known] == [], "not in the table of this module"
    assert sorted(known.difference(COMMANDS)) == [], "in the table, but not in the README"


@pytest.mark.parametrize("room", ["vm", "reports"])
def test_readme_names_the_commands_that_help_lists(room: str) -> None:
    helps = subprocess.run(
        [sys.executable, "-m", room, "--help"], cwd=system.PROJECT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^    ([a-z]+)(?= |$)", helps.stdout, re.MULTILINE)
    named = {found[1] for command in COMMANDS if (found := re.match(rf"python -m {room} ([a-z]+)", command))}
    assert sorted(named) == sorted(listed)


def test_what_is_typed_elsewhere_is_there() -> None:
    assert [
        row.elsewhere for row in ROWS if row.elsewhere and not (system.PROJECT / row.elsewhere).exists()
    ] == []


def test_rows_say_why_they_are_not_typed_as_they_stand() -> None:
    assert [row.command for row in ROWS if (row.narrowed or row.whole) and not row.why] == []


def test_command(place: Place, where: Where, row: Row, request: pytest.FixtureRequest) -> None:
    whole = request.config.option.whole
    if row.whole and not whole:
        pytest.skip(f"only with --whole: {row.why}")
    if row in WAYS_IN:
        GAVE_UP[where] = row.command
    line = row.line(whole=whole)
    row.before(place)
    if row.told:
        place.do(for_root(place.type(line)), keyboard="y\n")
    answer = place.type(line, person="root" if row.by_root else "", keyboard=row.keyboard)
    assert answer.code == row.code, str(answer)
    assert re.search(row.says, answer.output), f"{row.says!r} is not in its output\n{answer}"
    assert "Traceback" not in answer.output, str(answer)
    GAVE_UP.pop(where, None)


def for_root(answer: Answer) -> str:
    """Return what root is asked to type by a command that could not work for an ordinary user."""
    asked = re.findall(r"as root: (.+)$", answer.output, re.MULTILINE)
    assert answer.code, f"it worked, though nobody has installed QEMU\n{answer}"
    assert len(asked) == 1, f"not one line says what root must install\n{answer}"
    return str(asked[0])
