# SPDX-License-Identifier: GPL-2.0-or-later
"""The faults of reference kernels: their descriptions, and the tests that they name. None is built here."""

import re

import pytest

from vm import faults
from vm.build import Reference
from vm.errors import VmError
from vm.faults import FAULTS, Fault, Faulty
from vm.image import PROJECT

PATCH = """# SPDX-License-Identifier: GPL-2.0-only
Everything
is denied.

Caught-by: suites/queue_fd/test_events.py::test_round_trip

--- a/file
+++ b/file
@@ -1 +1 @@
-Caught-by: nobody
+x
"""


@pytest.fixture
def patch(tmp_path):
    file = tmp_path / "queue_fd" / "denied.patch"
    file.parent.mkdir()
    file.write_text(PATCH)
    return file


def test_what_a_fault_says(patch):
    fault = faults.read(patch)
    assert fault == Fault(patch, "Everything is denied.", "suites/queue_fd/test_events.py::test_round_trip")
    assert (fault.name, fault.suite) == ("queue_fd/denied", "suites/queue_fd")


@pytest.mark.parametrize(
    "line", ["Caught-by: suites/queue_fd/test_events.py::test_round_trip\n", "Everything\nis denied.\n"]
)
def test_a_fault_must_say_what_it_is(patch, line):
    patch.write_text(PATCH.replace(line, ""))
    with pytest.raises(VmError, match=r"denied\.patch: above the first hunk stand a sentence and Caught-by"):
        faults.read(patch)


def test_a_fault_is_the_last_patch(patch):
    reference = Reference("6.12")
    faulty = Faulty("6.12", fault=patch)
    assert faulty.patches == [*reference.patches, patch]
    assert (faulty.name, faulty.tree) == (reference.name, reference.tree)


@pytest.mark.parametrize("suite", ["queue_fd", "fastpath"])
def test_faults_of_a_suite(suite):
    chosen = faults.chosen([suite])
    assert len(chosen) >= 10
    assert all(fault.name.startswith(f"{suite}/") for fault in chosen)


def test_faults_by_name():
    assert [fault.name for fault in faults.chosen(["queue_fd/tail"])] == ["queue_fd/tail"]
    assert len(faults.chosen([])) == len(list(FAULTS.rglob("*.patch")))
    with pytest.raises(VmError, match="unknown fault 'queue_fd/nothing'; known are fastpath/"):
        faults.chosen(["queue_fd/nothing"])


@pytest.mark.parametrize("fault", faults.chosen([]), ids=lambda fault: fault.name)
def test_the_test_that_notices_is_there(fault):
    file, _, name = fault.caught_by.partition("::")
    text = (PROJECT / file).read_text()
    assert re.search(rf"^def {re.escape(name.partition('[')[0])}\(", text, re.MULTILINE)
