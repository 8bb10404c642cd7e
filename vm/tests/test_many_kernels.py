# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions with more kernels than places, which take turns, and with fewer, which share the places."""

import pytest

from vm.tests import sessions

SMALL = f"{sessions.FAULTS}/complaint.py"
MANY = f"{sessions.FAULTS}/many.py"
KERNELS = ("5.10", "6.12", "7.2")

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize("places", ["1", "2"])
def test_a_kernel_that_waits_for_a_place_has_its_turn(tmp_path, places):
    asked = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    session = sessions.run(*asked, "--vm-jobs", places, SMALL, results=tmp_path / "out")
    first, *others = [session.statuses(kernel) for kernel in KERNELS]
    assert "complaint.py::test_after" in first, session.output
    assert others == [first, first], session.output


def test_a_place_that_is_left_goes_to_a_second_vm_of_the_kernel(tmp_path):
    session = sessions.run("--kernel", "6.12", "--vm-jobs", "2", MANY, results=tmp_path / "out")
    assert session.code == 0, session.output
    assert len(session.records()) == len(session.statuses("6.12")) == 600
    assert (tmp_path / "out" / "6.12" / "console-2.log").exists()
