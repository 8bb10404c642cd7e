# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's choices for a VM reach the kernel; invalid ones are rejected before anything boots."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from vm import hardware, image, kernels
from vm.errors import VmError
from vm.hardware import Hardware
from vm.machine import Machine, default_jobs
from vm.tests import sessions

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no processor": ({"cpus": "0"}, "--cpus 0: give a number from 1 to 255"),
    "a word": ({"cpus": "two"}, "--cpus two: give a number"),
    "too little": ({"memory": "64"}, "--memory 64: give a number from 384 to"),
    "too much": ({"memory": "99999999"}, "which is what this machine has"),
    "two lines": ({"append": ["a\nb"]}, "--append 'a\\nb': a kernel's command line has"),
    "too long": ({"append": ["x" * 2048]}, "it takes 2047"),
    "a test": ({"gdb_port": "suites"}, "--gdb-port suites: give a number from 1 to 65535"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_make_no_sense(case):
    values, message = REFUSED[case]
    with pytest.raises(VmError) as raised:
        hardware.chosen(**values)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_port_that_is_in_use():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(VmError, match=r"port \d+ can not be used: Address already in use"),
    ):
        hardware.chosen(gdb_port=str(server.getsockname()[1]))


@pytest.mark.parametrize(
    "command", [["-m", "pytest", "--kernel"], ["-m", "vm", "shell"], ["-m", "vm", "bench"]]
)
def test_every_command_refuses_them_in_one_line(command):
    done = subprocess.run(
        [sys.executable, *command, "6.12", "--cpus", "0"],
        cwd=image.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {2, 4}
    assert done.stderr.strip().splitlines()[-1].endswith("--cpus 0: give a number from 1 to 255 processors")


def test_each_machine_has_a_saved_state_of_its_own(tmp_path):
    kernel = kernels.kernel("6.12")
    choices = [Hardware(), Hardware(cpus=2), Hardware(memory=640), Hardware(append="x"), Hardware(gdb=1234)]
    machines = [Machine(kernel, accel="tcg", directory=tmp_path, hardware=choice) for choice in choices]
    states = [machine._state_directory() for machine in machines]
    for machine in machines:
        machine.kill()
    assert states[-1] is None
    assert len(set(states)) == len(choices)


def continued(port):
    """Send the packets of gdb's "continue" to the VM. Source: gdb's manual, "Remote Protocol"."""
    deadline = time.monotonic() + sessions.PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError):
            debugger = socket.create_connection(("127.0.0.1", port))
            debugger.sendall(b"+$c#63")
            return debugger
        time.sleep(0.1)
    raise TimeoutError("nobody listens at the port of the debugger")


@pytest.mark.timeout(900)
def test_the_guest_is_the_machine_that_was_asked_for_and_waits_for_the_debugger(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = ["--cpus", "2", "--memory", "640", "--append", "fapitest.word=1", f"--gdb-port={port}"]
    run = sessions.start(
        "--kernel", "6.12", *words, f"{sessions.FAULTS}/machine.py", results=tmp_path / "out"
    )
    with continued(port):
        run.wait()
    assert [record["status"] for record in run.records()] == ["pass"] * 3, run.output
    assert f"target remote 127.0.0.1:{port}" in run.output


@pytest.mark.timeout(900)
def test_the_shell_ends_with_its_input():
    """The end of input follows an incomplete line, as is left of one that was typed too early."""
    command = [sys.executable, "-m", "vm", "shell", "6.12"]
    done = subprocess.run(command, cwd=image.PROJECT, input=b"unfinished", capture_output=True, check=False)
    assert done.returncode in {0, 127}, done.stdout
    assert b"fapitest: ended with" in done.stdout


@pytest.mark.timeout(900)
def test_the_shell_runs_tests_and_ends_with_their_exit_code(tmp_path):
    command = [
        sys.executable,
        "-m",
        "vm",
        "shell",
        "6.12",
        "--cpus",
        "2",
        "--",
        f"{sessions.FAULTS}/complaint.py",
    ]
    done = subprocess.run(
        command, cwd=image.PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    assert "test_taint" in done.stdout


@pytest.mark.parametrize(("available", "jobs"), [(700, 1), (1500, 1), (1600, 2), (100_000, 4)])
def test_as_many_vms_as_memory_and_cores_hold(monkeypatch, available, jobs):
    monkeypatch.setattr("vm.machine.memory_available", lambda: available)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert default_jobs(Hardware()) == jobs
