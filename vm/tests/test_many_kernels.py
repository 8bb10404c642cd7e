# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions of more kernels than places: each has its turn, whole, in a VM of its own."""

import pytest

from vm.tests import sessions

SMALL = f"{sessions.FAULTS}/complaint.py"
KERNELS = ("5.10", "6.12", "7.2")

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("places", ["1", "2"])
def test_a_kernel_that_waits_for_a_place_has_its_turn(tmp_path, places):
    asked = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    session = sessions.run(*asked, "--vm-jobs", places, SMALL, results=tmp_path / "out")
    first, *others = [session.statuses(kernel) for kernel in KERNELS]
    assert "complaint.py::test_after" in first, session.output
    assert others == [first, first], session.output
