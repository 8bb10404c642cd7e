# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs over several machines: network namespaces with sshd, real VMs, real faults."""

import contextlib
import os
import signal
from typing import Any

import pytest

from vm import kernels
from vm.remote import pulse
from vm.tests import machines, sessions

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network namespaces"),
]
SUITE = "suites/pidfd_wait"
NAMES = ("one", "two", "three")
"""Three names for the same kernel, so that it gets three VMs: a kernel with few tests has one VM at a time."""


@pytest.fixture(scope="module")
def net():
    with machines.net() as made:
        yield made


# --- machines that cannot run VMs ---------------------------------------------------------------------------------


def program(path, text):
    """Make a program, and return its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path.parent


OLD = (
    "exec /usr/bin/python3 -c \"import sys; sys.version_info = (3, 9, 2); sys.version = '3.9.2 (x)'; "
    'exec(sys.argv[1])" "$2"'
)
HIDE = "mount --bind /dev/null /usr/bin/qemu-system-x86_64"
FULL = "mount -t tmpfs -o size=16m none {own}/cache"
SLOW = "echo 'exec sleep 600' > {own}/home/.bashrc"
GREETS = "echo 'echo welcome' > {own}/home/.bashrc"

OFF = "that is off"
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "without QEMU": (
        {"prepare": HIDE},
        "qemu-system-x86_64 is missing; install it: apt install qemu-system-x86",
    ),
    "full": ({"prepare": FULL}, "MiB free, and "),
    "with an old python3": ({"path": "{own}/old"}, "python3 is version 3.9.2 there; 3.11 or newer is needed"),
    "without python3": (
        {"path": "{own}/nothing"},
        "python3 is missing there; install it: apt install python3",
    ),
    "that ssh does not know": ({"known": False}, "Host key verification failed."),
    "that does not answer": ({"prepare": SLOW}, "nothing answers within 30 s"),
    OFF: ({}, "port 22: "),
    "that greets": ({"prepare": GREETS}, "its shell prints something before a command runs"),
}
"""A defect of a machine -> how to make such a machine, and the end of the message."""


@pytest.fixture(scope="module")
def said(net, tmp_path_factory):
    """The output of a run whose machines all have a defect, one of each kind."""
    names = []
    for name, (settings, _) in UNFIT.items():
        number = len(net.machines) + 1
        own = net.directory / f"m{number}"
        program(own / "old" / "python3", OLD)
        filled = {
            key: value.format(own=own) if isinstance(value, str) else value for key, value in settings.items()
        }
        machine = net.add(**filled)
        names.append(machine.name)
        if name == OFF:
            machine.unplug()
    hosts = [word for name in names for word in ("--host", f"{name}:1")]
    results = tmp_path_factory.mktemp("run") / "out"
    run = sessions.run(
        "--kernel", "6.12", "--vm-jobs", "0", *hosts, SUITE, results=results, prefix=net.prefix()
    )
    return run, dict(zip(UNFIT, names, strict=True))


@pytest.mark.parametrize("name", UNFIT)
def test_a_machine_that_is_not_fit_is_left_out_in_a_line(said, name):
    run, names = said
    (line,) = [line for line in run.output.splitlines() if f"{names[name]} is left out" in line]
    assert UNFIT[name][1] in line


def test_without_any_machine_nothing_is_run(said):
    run, _ = said
    assert run.code == 4, run.output
    assert run.output.strip().splitlines()[-1] == "ERROR: no machine is left that could have a VM"


# --- machines that can --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(net):
    return [net.add() for _ in range(3)]


@pytest.fixture
def start(net, three, tmp_path):
    """Start a run with VMs on these machines only; kill the rest of it at the end."""
    runs = []

    def started(*words, on=three, prepare="true"):
        hosts = [word for machine in on for word in ("--host", f"{machine.name}:1")]
        words = ("--vm-jobs", "0", "--accel", "tcg", *hosts, *words)
        prefix = net.prefix(prepare)
        runs.append(sessions.start(*words, results=tmp_path / "out", prefix=prefix, patience=500))
        return runs[-1]

    yield started
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.wait()


@pytest.fixture(scope="module")
def same_kernel(tmp_path_factory):
    """The options for one kernel under three names; it boots without modules and with bytes added to its image."""
    directory, content = tmp_path_factory.mktemp("images"), kernels.kernel("6.12").image.read_bytes()
    for name in NAMES:
        (directory / name).write_bytes(content + name.encode())
    return [word for name in NAMES for word in ("--kernel", f"{name}={directory / name}")]


@pytest.fixture(scope="module")
def verdicts(same_kernel, tmp_path_factory):
    """The results of a run on this machine."""
    run = sessions.run(*same_kernel[:2], SUITE, results=tmp_path_factory.mktemp("local") / "out")
    assert len(run.statuses(NAMES[0])) > 20, run.output
    return run.statuses(NAMES[0])


def left(*found):
    """What lies about on machines, or still runs there."""
    return {one.name: (one.processes(), one.files()) for one in found if one.processes() or one.files()}


def wait_until_clean(*found, patience=30):
    with contextlib.suppress(AssertionError):
        sessions.wait_until(lambda: not left(*found), "clean machines", patience=patience)
    assert left(*found) == {}


def busy(machines):
    """Return the machine that runs a VM."""
    (found,) = [machine for machine in machines if machine.virtual_machines()]
    return found


def test_three_machines_give_the_verdicts_of_this_one(start, three, same_kernel, verdicts):
    run = start(*same_kernel, SUITE, prepare=HIDE)  # this one needs no QEMU
    sessions.wait_until(lambda: all(machine.virtual_machines() for machine in three), "a VM on each")
    run.wait()
    assert {name: run.statuses(name) for name in NAMES} == dict.fromkeys(NAMES, verdicts), run.output
    assert all((run.results / name / "console.log").stat().st_size for name in NAMES)
    wait_until_clean(*three)


def test_a_machine_that_is_cut_off_costs_what_ran_there(start, three, same_kernel, verdicts):
    """Two other machines and this one."""
    run = start(*same_kernel, SUITE, "--vm-jobs", "1", on=three[:2])
    sessions.wait_until(lambda: all(run.statuses(name) for name in NAMES), "results of each")
    machine = next(machine for machine in three[:2] if machine.virtual_machines())
    machine.unplug()
    try:
        run.wait()
        wait_until_clean(machine, patience=2 * pulse.SILENCE)
    finally:
        machine.plug()
    lost = [record for record in run.records() if record["status"] == "lost"]
    assert len(lost) <= 1, run.output
    assert all(f"{machine.name} was lost: " in record["message"] for record in lost)
    assert f"going on without a machine: {machine.name} was lost: " in run.output
    for name in NAMES:
        odd = {test: status for test, status in run.statuses(name).items() if status != verdicts[test]}
        assert run.statuses(name).keys() == verdicts.keys(), run.output
        assert set(odd.values()) <= {"lost"}
    assert run.code == (1 if lost else 0), run.output


SLOW_LINK = """/usr/bin/python3 -uc '
import os, time
while data := os.read(0, 16 << 10):
    os.write(1, data)
    time.sleep(0.05)
' | exec /usr/bin/python3 "$@"
"""


def test_a_slow_machine_delays_nobody(net, start):
    """The run ends before the other machine has received the files for its VMs."""
    number = len(net.machines) + 1
    path = program(net.directory / f"m{number}" / "slow" / "python3", SLOW_LINK)
    machine = net.add(path=f"{path}:{machines.PATH}")
    run = start("--kernel", "6.12", SUITE, "--vm-jobs", "1", on=[machine]).wait()
    assert (run.code, machine.name in run.output) == (0, True), run.output
    wait_until_clean(machine)
    assert list((machine.own / "cache" / "parts").iterdir()) == []


@pytest.fixture
def endless(start, three):
    """A run on two machines that is in a test that never ends."""
    run = start("--kernel", "6.12", f"{sessions.FAULTS}/endless.py", "--timeout", "0", on=three[:2])
    sessions.wait_until(lambda: run.records() or run.process.poll() is not None, "the first result")
    return run


def test_a_connection_that_ends_costs_one_test(endless, three):
    (machine := busy(three)).hang_up()
    wait_until_clean(machine)
    endless.wait()
    assert list(endless.statuses("6.12").values()) == ["pass", "lost", "pass"], endless.output
    (message,) = [record["message"] for record in endless.records() if record["status"] == "lost"]
    assert f"{machine.name} was lost: " in message
    assert f"going on without a machine: {machine.name} was lost: " in endless.output


def test_without_any_machine_left_the_rest_is_not_run(start, three):
    run = start("--kernel", "6.12", f"{sessions.FAULTS}/endless.py", "--timeout", "0", on=three[:1])
    sessions.wait_until(lambda: run.records() or run.process.poll() is not None, "the first result")
    three[0].hang_up()
    run.wait()
    assert list(run.statuses("6.12").values()) == ["pass", "lost", "not-run"], run.output
    assert run.records()[-1]["message"] == "not run: no machine is left for it"
    assert run.code == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda s: s.name)
def test_a_run_that_ends_leaves_nothing_there(endless, three, number):
    endless.process.send_signal(number)
    endless.wait()
    wait_until_clean(*three)
    assert "Traceback" not in endless.output
    assert endless.statuses("6.12")["endless.py::test_before"] == "pass"
