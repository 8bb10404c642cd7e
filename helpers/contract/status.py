# SPDX-License-Identifier: GPL-2.0-or-later
"""How a test ended on a kernel, and how each format says so: the one place where a status is translated."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How one test ended on one kernel. The members are ordered from the best to the worst."""

    PASS = "pass"  # noqa: S105 - a word of the vocabulary, not a secret
    SKIP = "skip"
    XFAIL = "xfail"
    XPASS = "xpass"
    NOT_RUN = "not-run"
    ERROR = "error"
    FAIL = "fail"
    LOST = "lost"
    HANG = "hang"
    PANIC = "panic"


class Words(NamedTuple):
    """A status in the words of each format.

    These are pytest's categories, JUnit's elements, Allure, KTAP (Documentation/dev-tools/ktap.rst), KCIDB
    (schema 5.3), the JSON of LTP's kirk, tmt (spec/plans/results.fmf) and lava-test-case.
    """

    pytest: str
    junit: str | None
    allure: str
    ktap: str
    kcidb: str
    ltp: str
    tmt: str
    lava: str

    @property
    def bad(self) -> bool:
        """Whether one such result makes a run fail."""
        return self.junit in ("failure", "error")

    @property
    def colour(self) -> str:
        """The colour on a terminal."""
        return "red" if self.bad else "green" if self.pytest == "passed" else "yellow"


# A known issue is a failure that nobody needs to look at again. KCIDB alone can say that: FAIL with an incident of an
# issue. kirk, LAVA and JUnit have no word for it and get what does not alarm, tmt its "info", which fails no plan.
# A fixed one is a failure of the list of known issues, which KCIDB alone need not hear of: the kernel is right.
#
# KCIDB's schema defines FAIL as "completed and reported the tested code as faulty", which a panic surely is; ERROR
# as a failure in the test's own code; MISS as a failure of the harness, after which "the status of both the test and
# the tested code is unknown". That is a VM that stood still or vanished: kernel, QEMU or host may have been at fault;
# and a test that was planned and never ran, which CI systems show as not green only if it is an error to them.
VOCABULARY = {
    Status.PASS: Words("passed", None, "passed", "ok", "PASS", "pass", "pass", "pass"),
    Status.SKIP: Words("skipped", "skipped", "skipped", "ok # SKIP", "SKIP", "conf", "skip", "skip"),
    Status.XFAIL: Words("xfailed", "skipped", "skipped", "ok # XFAIL", "FAIL", "conf", "info", "skip"),
    Status.XPASS: Words("xpassed", "failure", "failed", "not ok", "PASS", "fail", "fail", "fail"),
    Status.NOT_RUN: Words(
        "not run", "error", "unknown", "not ok # ERROR", "MISS", "brok", "pending", "unknown"
    ),
    Status.ERROR: Words("error", "error", "broken", "not ok # ERROR", "ERROR", "brok", "error", "unknown"),
    Status.FAIL: Words("failed", "failure", "failed", "not ok", "FAIL", "fail", "fail", "fail"),
    Status.LOST: Words("failed", "error", "broken", "not ok # ERROR", "MISS", "brok", "error", "unknown"),
    Status.HANG: Words("failed", "error", "broken", "not ok # TIMEOUT", "MISS", "brok", "error", "unknown"),
    Status.PANIC: Words("failed", "error", "broken", "not ok", "FAIL", "brok", "error", "fail"),
}

MEANING = {
    Status.PASS: "the kernel conforms",
    Status.SKIP: "the kernel or its configuration lacks the feature",
    Status.XFAIL: "on the list of known issues",
    Status.XPASS: "on the list of known issues, but fixed",
    Status.NOT_RUN: "it was planned, and did not run",
    Status.ERROR: "the test itself broke",
    Status.FAIL: "the kernel does otherwise than is documented, decided or observed",
    Status.LOST: "the VM vanished while the test ran",
    Status.HANG: "the VM stood still while the test ran",
    Status.PANIC: "the kernel died while the test ran",
}
"""What a status says about a kernel, in a sentence for people."""

_RANK = {status: rank for rank, status in enumerate(Status)}


def rank(status: Status) -> int:
    """Return a number that is the higher the worse a status is."""
    return _RANK[status]


def combined(statuses: Iterable[Status]) -> Status:
    """Return what several tests of one thing say about it together.

    It is as good as the worst of them; a test that was skipped says nothing about it unless all were.
    """
    return max((status for status in statuses if status is not Status.SKIP), key=rank, default=Status.SKIP)


VM_GONE = (Status.PANIC, Status.HANG, Status.LOST)
"""The statuses of a test that was running when its VM was lost."""
