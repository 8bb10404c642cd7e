# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs on the running kernel: its name, and the failures of several machines."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers.contract.results import read
from vm import plugin
from vm.image import PROJECT
from vm.tests import sessions
from vm.tests.test_bad_input import needs_root

NAMES = {
    "plain": ("one", "6.18.5", "one-6.18.5"),
    "domain": ("one.example.org", "6.18.5+deb14-amd64", "one-6.18.5+deb14-amd64"),
    "odd": ("a b/\u00fc", "6.18.5 x", "a_b-6.18.5_x"),
    "none": ("(none)", "6.18.5", "none-6.18.5"),
    "empty": ("", "6.18.5", "machine-6.18.5"),
    "long": ("m" * 64, "6.18.5-" + "r" * 57, "m" * 35 + "-6.18.5-" + "r" * 57),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_machines_kernel_is_named_by_machine_and_release(monkeypatch, case):
    nodename, release, name = NAMES[case]
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename=nodename, release=release))
    assert plugin._this_machine() == name


@needs_root
def test_a_failure_of_one_machine_is_not_hidden_by_another(tmp_path):
    """This machine stands for two, with a hostname in a namespace for each."""
    test = tmp_path / "test_name.py"
    test.write_text("import os\n\ndef test_name(): assert os.uname().nodename == 'two'\n")
    for name in ("one", "two"):
        machine = ("unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', name)
        sessions.run("--on-this-machine", str(test), results=tmp_path / name, prefix=machine)
    words = ["merge", "--into", tmp_path / "all", tmp_path / "one", tmp_path / "two"]
    merged = subprocess.run(
        [sys.executable, "-m", "reports", *words], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert merged.returncode == 0, merged.stderr
    found = read(tmp_path / "all" / "results.jsonl").results
    release = os.uname().release
    assert {one.kernel: one.status for one in found} == {f"one-{release}": "fail", f"two-{release}": "pass"}
