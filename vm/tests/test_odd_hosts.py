# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that lack something that a run can do without."""

import os
import tempfile

import pytest

from vm.tests import sessions

SMALL = f"{sessions.FAULTS}/complaint.py"

pytestmark = pytest.mark.timeout(900)

FINE = {
    "no HOME": ("env", "--unset=HOME", "--unset=XDG_CACHE_HOME"),
    "a TMPDIR that is not there": ("env", "TMPDIR=/nonexistent/tmp"),
    "few open files": ("prlimit", "--nofile=40:40"),
}
POOR = {
    "little address space": (("prlimit", f"--as={1 << 30}"), "QEMU"),
    "a full TMPDIR": (
        ("sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$TMPDIR" && exec "$0" "$@"'),
        "No space left",
    ),
}


@pytest.mark.parametrize("host", FINE)
def test_a_run_does_without(tmp_path, host):
    session = sessions.run("--kernel", "6.12", SMALL, results=tmp_path / "out", prefix=FINE[host])
    assert session.code == 1, session.output
    assert len(session.statuses("6.12")) == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
@pytest.mark.parametrize("host", POOR)
def test_what_no_vm_can_do_without_is_named(tmp_path, host):
    words, message = POOR[host]
    # A longer path would be too long for sockets, and another directory would be used.
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        session = sessions.run(
            *("--kernel", "6.12", SMALL),
            results=tmp_path / "out",
            prefix=("unshare", "--mount", *words),
            environment={"TMPDIR": short},
        )
    assert session.code in (2, 4), session.output
    assert message in session.output
    assert "Traceback" not in session.output
    assert session.virtual_machines() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a run on this machine needs root")
def test_what_is_no_text_is_written_all_the_same(tmp_path):
    """On this machine there is no protocol between a test and the reports that would check texts."""
    file = f"{sessions.FAULTS}/surrogate.py"
    session = sessions.run("--on-this-machine", file, results=tmp_path / "out")
    assert session.code == 1, session.output
    assert [record["status"] for record in session.records()] == ["fail", "pass"]
    assert (tmp_path / "out" / "matrix.html").exists()
    assert "INTERNALERROR" not in session.output


@pytest.mark.long
def test_a_guest_that_ends_pytest_costs_no_other_kernel(tmp_path):
    options = [
        "--kernel",
        "6.12",
        "--kernel",
        "7.2",
        f"{sessions.FAULTS}/unclean.py",
        "-k",
        "exit or interrupt",
    ]
    session = sessions.run(*options, results=tmp_path / "out")
    statuses = session.statuses("6.12")
    assert statuses == session.statuses("7.2"), session.output
    assert sorted(statuses.values()) == ["lost"] * 3 + ["pass"] * 3, session.output
