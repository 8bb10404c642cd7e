# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that are left unclean, kill pytest, or attack the host: real VMs, one session for all."""

from pathlib import Path

import pytest

from vm.tests import sessions

pytestmark = pytest.mark.timeout(1800)

STATUSES = {
    "unclean.py::test_no_proc": ("error", "left the machine unclean: /proc/self/stat is gone (ENOENT)"),
    "unclean.py::test_full_root": ("error", "left the machine unclean: / is full"),
    "unclean.py::test_no_descriptors": ("error", "RLIMIT_NOFILE is 3, was 1024"),
    "unclean.py::test_permission_mark": ("hang", "no sign of life"),
    "unclean.py::test_exit": (
        "lost",
        "pytest ended in the VM before its time: _pytest.outcomes.Exit: enough",
    ),
    "unclean.py::test_interrupt": ("lost", "pytest ended in the VM before its time: KeyboardInterrupt"),
    "unclean.py::test_os_exit": ("lost", "the agent ended with 0"),
    "unclean.py::test_escaped_fork": ("lost", "a process that the test has forked came back into pytest"),
    "unclean.py::test_taint_in_teardown": ("fail", "tainted gained 0x200"),
    "hostile.py::test_xdist_warning": ("lost", "said what no guest of ours says: an event that there is not"),
    "hostile.py::test_path_of_a_file": (
        "lost",
        "said what no guest of ours says: an event that there is not",
    ),
    "hostile.py::test_many_files": ("lost", "more than 64 MiB in all"),
    "hostile.py::test_odd_properties_of_a_lost_vm": ("lost", "an event 'phase' with other fields than"),
    "hostile.py::test_terminal": ("fail", "owned"),
}
"""Test -> its status, and a part of its message; all others pass."""

OUTSIDE = ("path", "warning")
"""The files that hostile.py tries to create on the host."""


@pytest.fixture(scope="module")
def prey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory on the host whose path the guest knows."""
    return tmp_path_factory.mktemp("prey")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, prey: Path) -> sessions.Session:
    files = [f"{sessions.FAULTS}/{name}.py" for name in ("unclean", "hostile")]
    options = ["--kernel", "6.12", "--vm-silence", "20", "--vm-losses", "30", *files]
    directory = tmp_path_factory.mktemp("run")
    (directory / "tmp").mkdir()
    environment = {"FAPITEST_PREY": str(prey), "TMPDIR": str(directory / "tmp")}
    return sessions.run(*options, results=directory / "out", environment=environment, patience=1500)


@pytest.mark.parametrize("test", STATUSES)
def test_the_right_test_is_blamed(session: sessions.Session, test: str) -> None:
    status, message = STATUSES[test]
    record = next(record for record in session.records() if record["test"].endswith(test))
    assert record["status"] == status, session.output
    assert message in record["message"]


def test_no_innocent_test_is_hit(session: sessions.Session) -> None:
    hit = {test for test, status in session.statuses("6.12").items() if status != "pass"}
    assert hit == set(STATUSES), session.output
    assert len(session.records()) == 29


def test_nothing_outside_the_run_is_touched(session: sessions.Session, prey: Path) -> None:
    assert session.records()
    assert list(prey.iterdir()) == []
    assert [path for name in OUTSIDE for path in session.results.rglob(name)] == []


def test_no_guest_speaks_for_another_kernel(session: sessions.Session) -> None:
    assert {record["kernel"] for record in session.records()} == {"6.12"}


def test_its_console_is_its_console(session: sessions.Session) -> None:
    consoles = list((session.results / "6.12").glob("console*.log"))
    assert all("fapitest: ready" in log.read_text(errors="replace") for log in consoles)


def test_what_it_sends_is_bounded(session: sessions.Session) -> None:
    sizes = [path.stat().st_size for path in session.results.rglob("*") if path.is_file()]
    assert sum(sizes) < 64 << 20


def test_the_terminal_is_not_commanded(session: sessions.Session) -> None:
    assert "\x1b" not in session.output
    assert len(session.output) < 1 << 20


def test_every_report_was_written(session: sessions.Session) -> None:
    assert "no allure report" not in session.output
    for name in (
        "matrix.html",
        "6.12/junit.xml",
        "6.12/ktap.txt",
        "kcidb.json",
        "allure-results/categories.json",
    ):
        assert (session.results / name).exists(), name


def test_the_session_ends_in_order(session: sessions.Session) -> None:
    assert session.code == 1, session.output
    assert "INTERNALERROR" not in session.output
    assert session.virtual_machines() == []
    assert list((session.results.parent / "tmp").iterdir()) == []
