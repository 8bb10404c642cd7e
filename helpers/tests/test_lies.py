# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that lies about its events is found out: under each lie the test fails that is there to catch it.

The tests themselves run, in one VM, and not their oracles on recorded events: only so is it seen that a test asks for
the event that is lied about, and that it looks at what it was told.
"""

import pytest

from helpers.tests.lies import LIES, Lie
from vm.tests import sessions

KERNEL = "7.3"
"""Has records of all types: RANGE came with 6.14, MNT with 6.15."""
FILES = sorted({f"suites/{lie.caught_by.partition('::')[0]}" for lie in LIES})

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def statuses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The status of each test, by its id below suites/."""
    results = tmp_path_factory.mktemp("lies") / "out"
    session = sessions.run("--kernel", KERNEL, "-p", "helpers.tests.lies", *FILES, results=results)
    found = {record["test"].removeprefix("suites/"): record["status"] for record in session.records()}
    assert found, session.output
    return found


@pytest.mark.parametrize("test", sorted({lie.caught_by for lie in LIES}))
def test_who_is_told_the_truth_passes(statuses: dict[str, str], test: str) -> None:
    assert statuses[test] == "pass"


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.name)
def test_lie_is_caught(statuses: dict[str, str], lie: Lie) -> None:
    assert statuses[lie.test] == "xfail"
