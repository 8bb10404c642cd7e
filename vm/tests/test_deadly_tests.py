# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that kill their VM, their pytest or its connection to the host: real VMs, one session for all."""

import xml.etree.ElementTree as ET

import pytest

from vm.tests import sessions
from vm.tests.faults.deadly import ODD

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

STATUSES = {
    "test_reboot[restart]": ("lost", "vanished without a word"),
    "test_reboot[power-off]": ("lost", "vanished without a word"),
    "test_reboot[halt]": ("hang", "no sign of life"),
    "test_kills_pytest[SIGKILL]": ("lost", "the agent ended with 137"),
    "test_kills_pytest[SIGTERM]": ("lost", "the agent ended with 143"),
    "test_closes_all_descriptors": ("lost", "the agent ended with 120"),
    "test_fork_bomb": ("hang or lost", ""),
    "test_busy_with_signals_blocked": ("hang", "no sign of life"),
    "test_prints_200_megabytes": ("lost", "Out of memory: Killed process"),
    "test_floods_the_console": ("fail", "Timeout"),
    "test_message_of_many_lines": ("hang or lost", ""),
    "test_odd_output": ("fail", "]]>"),
    "test_leaves_a_process": ("error", "left the machine unclean: processes that it started are left: sleep"),
    **{f"test_one_of_many_failures[{number}]": ("fail", "assert") for number in range(100)},
}
"""Test -> its status, and a part of its message; all others pass. Where there are two, it depends on memory."""


FILES = [f"{sessions.FAULTS}/{name}.py" for name in ("leaking", "deadly")]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> sessions.Session:
    directory = tmp_path_factory.mktemp("run")
    (directory / "tmp").mkdir()
    options = ["--kernel", "6.12", "--vm-silence", "20", "--vm-losses", "30", *FILES]
    environment = {"TMPDIR": str(directory / "tmp")}
    return sessions.run(*options, results=directory / "out", environment=environment, patience=1500)


def name(record: dict[str, str]) -> str:
    return record["test"].partition("::")[2]


@pytest.mark.parametrize("test", [test for test in STATUSES if "one_of_many" not in test])
def test_the_right_test_is_blamed(session: sessions.Session, test: str) -> None:
    status, message = STATUSES[test]
    (record,) = (record for record in session.records() if name(record) == test)
    assert record["status"] in status.split(" or "), session.output
    assert message in record["message"]


def test_no_innocent_test_is_hit(session: sessions.Session) -> None:
    hit = {name(record) for record in session.records() if record["status"] != "pass"}
    assert hit == set(STATUSES), session.output


def test_odd_names_are_kept(session: sessions.Session) -> None:
    passed = [record for record in session.records() if name(record).startswith("test_odd_names")]
    assert len(passed) == len(ODD), session.output
    cases = ET.parse(session.results / "6.12/junit.xml").iter("testcase")
    assert sum(case.get("name", "").startswith("test_odd_names") for case in cases) == len(ODD)


def test_the_session_ends_in_order(session: sessions.Session) -> None:
    assert session.code == 1, session.output
    assert "INTERNALERROR" not in session.output
    assert "\x1b" not in session.output
    assert session.virtual_machines() == []
    assert list((session.results.parent / "tmp").iterdir()) == []


def importing(*names: str) -> list[str]:
    return [f"{sessions.FAULTS}/importing_{name}.py" for name in names]


def test_a_module_that_panics_while_it_is_imported_is_named(tmp_path):
    session = sessions.run("--kernel", "6.12", *importing("innocent", "panics"), results=tmp_path / "out")
    (record,) = session.records()
    assert (session.code, record["test"], record["status"]) == (2, "vm::boot", "panic"), session.output
    assert "sysrq triggered crash" in record["message"]
    assert "while it collected vm/tests/faults/importing_panics.py" in record["message"]


def test_a_module_that_can_not_be_imported_leaves_the_others_alone(tmp_path):
    session = sessions.run("--kernel", "6.12", *importing("raises", "innocent"), results=tmp_path / "out")
    assert session.code == 1, session.output
    assert session.statuses("6.12") == {
        "importing_raises.py": "error",
        "importing_innocent.py::test_innocent": "pass",
    }
    assert "ImportError: no such thing" in session.records()[-1]["message"]
