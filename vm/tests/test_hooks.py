# SPDX-License-Identifier: GPL-2.0-or-later
"""The hooks of this package, as a plugin sees them in a run."""

import itertools

import pytest

from vm.tests import sessions

LISTENER = """
import pathlib
def pytest_kernel_state(kernel, vm, state, detail):
    with (pathlib.Path(__file__).parent / "heard").open("a") as file:
        print(kernel, vm, state, file=file)
"""

pytestmark = pytest.mark.timeout(900)


def test_the_states_of_a_kernel_that_panics_once(tmp_path):
    (tmp_path / "listener.py").write_text(LISTENER)
    here_alone = {"PYTHONPATH": str(tmp_path), "PYTEST_PLUGINS": "listener"}  # a guest has no such plugin
    options = ["--kernel", "6.12", "--vm-jobs", "1", f"{sessions.FAULTS}/panic.py"]
    run = sessions.run(*options, results=tmp_path / "out", environment=here_alone)
    heard = [line for line, _ in itertools.groupby((tmp_path / "heard").read_text().splitlines())]
    life = ("booting", "collecting", "running")
    assert heard == [
        *("kernels 0 preparing", "kernels 0 ended", "6.12 0 waiting"),
        *(f"6.12 1 {state}" for state in (*life, "lost")),
        *(f"6.12 2 {state}" for state in (*life, "ended")),
    ], run.output
