# SPDX-License-Identifier: GPL-2.0-or-later
"""A mistake of the user or a broken machine gives one clear line, a sensible exit code, and no traceback."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vm import accel, image, kernels, tools
from vm.command import pytest_command
from vm.errors import VmError
from vm.tests import sessions

SMALL = f"{sessions.FAULTS}/complaint.py"
SUITE = "suites/fanotify_init"

pytestmark = pytest.mark.timeout(900)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system to fill")


@pytest.fixture
def private_cache(tmp_path):
    return sessions.private_cache(tmp_path / "cache")


@pytest.fixture
def no_archive(tmp_path):
    """apt settings with which no archive can be reached: a proxy on a closed port."""
    settings = tmp_path / "apt.conf"
    settings.write_text(
        'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::https::Proxy "http://127.0.0.1:9";'
    )
    return {"APT_CONFIG": str(settings)}


MISTAKES = {
    "unknown kernel": (["--kernel", "6.13"], 4, "unknown kernel '6.13'; is 6.1 meant? known are 5.10, 6.1"),
    "missing path": (["--kernel", "/nowhere/bzImage"], 4, "--kernel /nowhere/bzImage: there is no such file"),
    "not a boot image": (["--kernel", "README.md"], 4, "is not a boot image (bzImage) of an x86-64 kernel"),
    "pdb": (["--kernel", "6.12", "--pdb"], 4, "--pdb: can not reach into a VM; try: python -m vm shell"),
    "no VM at all": (["--kernel", "6.12", "--vm-jobs", "0"], 4, "at least one VM must run"),
    "no kernel": ([], 4, "name one to boot in a VM, with --kernel 6.12"),
    "both": (["--kernel", "6.12", "--on-this-machine"], 4, "exclude each other"),
    "unknown option": (["--kernel", "6.12", "--cpu=2"], 4, "error: unrecognized arguments: --cpu=2"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(tmp_path, mistake):
    options, code, message = MISTAKES[mistake]
    session = sessions.run(*options, SUITE, results=tmp_path / "out")
    assert session.code == code, session.output
    assert message in session.output.rstrip().splitlines()[-1]
    assert "Traceback" not in session.output


def test_suites_without_a_kernel_are_refused_before_anything_is_collected():
    done = subprocess.run(pytest_command(), cwd=image.PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "name one to boot in a VM" in done.stderr
    assert "collect" not in done.stdout


def test_a_selection_that_matches_nothing(tmp_path):
    session = sessions.run("--kernel", "6.12", "-k", "no_such_test", SUITE, results=tmp_path / "out")
    assert session.code == 5, session.output
    assert "Traceback" not in session.output


def test_the_suites_need_root_on_this_machine(tmp_path):
    session = sessions.run("--on-this-machine", SUITE, results=tmp_path / "out", prefix=("unshare", "--user"))
    assert session.code == 4, session.output
    assert "--on-this-machine needs root" in session.output


def test_a_kernel_without_the_drivers_fails_with_the_end_of_its_console(tmp_path):
    """Debian's 5.10 has its virtio drivers as modules, which are missing here."""
    bare = kernels.kernel("5.10").image
    session = sessions.run("--kernel", str(bare), SUITE, results=tmp_path / "out")
    (record,) = session.records()
    assert (session.code, record["test"], record["status"]) == (2, "vm::boot", "lost"), session.output
    assert "this kernel lacks virtio_pci or virtio_console" in record["message"]
    assert record["console"]


def test_the_baseline_of_a_kernel_without_the_drivers_is_refused_in_one_line():
    command = [sys.executable, "-m", "vm", "baseline", str(kernels.kernel("5.10").image)]
    done = subprocess.run(command, cwd=image.PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "this kernel lacks virtio_pci or virtio_console" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_one_kernel_that_does_not_boot_leaves_the_others_alone(tmp_path):
    bare = kernels.kernel("5.10").image
    session = sessions.run("--kernel", str(bare), "--kernel", "6.12", SMALL, results=tmp_path / "out")
    assert session.code == 1, session.output
    assert "complaint.py::test_after" in session.statuses("6.12")


def test_a_panic_at_boot_is_a_panic(tmp_path):
    """The decompressor of a truncated image fails."""
    whole = kernels.kernel("6.12").image.read_bytes()
    cut = tmp_path / "bzImage"
    cut.write_bytes(whole[: len(whole) // 2])
    session = sessions.run("--kernel", str(cut), SMALL, results=tmp_path / "out")
    assert session.code == 2, session.output
    assert [record["test"] for record in session.records()] == ["vm::boot"]


@pytest.mark.long
def test_a_cached_kernel_works_without_the_archive(tmp_path, private_cache, no_archive):
    environment = private_cache | no_archive
    session = sessions.run("--kernel", "6.12", SMALL, results=tmp_path / "out", environment=environment)
    assert session.code == 1, session.output
    assert "can not be fetched" in session.output
    assert "using the cached 6.12 kernel" in session.output


def test_without_archive_and_cache_there_is_no_kernel(tmp_path, no_archive):
    environment = no_archive | {"FAPITEST_CACHE": str(tmp_path / "empty")}
    session = sessions.run("--kernel", "6.12", SMALL, results=tmp_path / "out", environment=environment)
    assert session.code == 4, session.output
    assert "the list of Debian's suite trixie can not be fetched" in session.output
    assert "Traceback" not in session.output


@pytest.mark.long
def test_a_kernel_that_can_not_be_had_leaves_the_others_alone(tmp_path, private_cache, no_archive):
    both = ["--kernel", "7.2", "--kernel", "6.12", "-k", "before or after"]
    session = sessions.run(*both, SMALL, results=tmp_path / "out", environment=private_cache | no_archive)
    assert session.code == 2, session.output
    assert "fapitest: 7.2 is left out: the list of Debian's suite" in session.output
    (absent,) = (record for record in session.records() if record["kernel"] == "7.2")
    assert (absent["test"], absent["status"]) == ("vm::boot", "lost")
    assert "can not be fetched" in absent["message"]
    assert "complaint.py::test_after" in session.statuses("6.12")


def test_when_no_kernel_can_be_had_each_reason_is_a_line(tmp_path, no_archive):
    environment = no_archive | {"FAPITEST_CACHE": str(tmp_path / "empty")}
    both = ["--kernel", "5.10", "--kernel", "7.2"]
    session = sessions.run(*both, SMALL, results=tmp_path / "out", environment=environment)
    assert session.code == 4, session.output
    last = [line for line in session.output.splitlines() if line]
    for suite, line in zip(("bullseye-security", "trixie-backports"), last[-2:], strict=True):
        assert line.startswith(f"ERROR: the list of Debian's suite {suite} can not be fetched")


@pytest.mark.long
def test_a_damaged_kernel_is_fetched_again(tmp_path, private_cache):
    damaged = Path(private_cache["FAPITEST_CACHE"]) / "kernels/6.12/vmlinuz"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    session = sessions.run("--kernel", "6.12", SMALL, results=tmp_path / "out", environment=private_cache)
    assert session.code == 1, session.output
    assert damaged.stat().st_size > 1000


@pytest.mark.long
def test_a_saved_state_that_qemu_does_not_take_back_costs_a_boot(tmp_path, private_cache):
    """The cache does not notice the damage, because length and time are unchanged."""
    run = {"environment": private_cache}
    sessions.run("--kernel", "6.12", "--accel", "tcg", SMALL, results=tmp_path / "first", **run)
    (state,) = Path(private_cache["FAPITEST_CACHE"]).glob("states/6.12-*/state")
    times = state.stat()
    with state.open("r+b") as content:
        content.seek(1 << 20)
        content.write(bytes(1 << 20))
    os.utime(state, ns=(times.st_atime_ns, times.st_mtime_ns))
    session = sessions.run("--kernel", "6.12", "--accel", "tcg", SMALL, results=tmp_path / "second", **run)
    assert session.code == 1, session.output
    assert "booting 6.12" in session.output
    assert len(session.statuses("6.12")) == 4


@needs_root
@pytest.mark.parametrize("options", ["size=1m", "size=1m,ro"], ids=["full", "read-only"])
def test_a_cache_that_can_not_be_written(tmp_path, options):
    with small_filesystem(tmp_path / "small", options) as small:
        environment = {"FAPITEST_CACHE": str(small / "cache")}
        session = sessions.run("--kernel", "6.12", SMALL, results=tmp_path / "out", environment=environment)
    assert session.code == 4, session.output
    assert "set FAPITEST_CACHE to another" in session.output
    assert "Traceback" not in session.output


@needs_root
def test_a_full_report_directory_keeps_what_it_has(tmp_path):
    with small_filesystem(tmp_path / "small", "size=32k") as small:
        session = sessions.run("--kernel", "6.12", SMALL, results=small / "out")
        kept = session.statuses("6.12")
    assert session.code == 1, session.output
    assert "Traceback" not in session.output
    assert kept or "complaint.py::test_after" in session.output


class small_filesystem:  # noqa: N801  used like a function
    def __init__(self, target, options):
        self.target, self.options = target, options

    def __enter__(self):
        self.target.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", self.target], check=True)
        return self.target

    def __exit__(self, *_):
        subprocess.run(["umount", self.target], check=True)


def path_without(tmp_path, *absent):
    """Return a PATH with everything that a run needs, except some programs."""
    for directory in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for program in Path(directory).iterdir():
            if program.name not in absent and not (tmp_path / program.name).exists():
                (tmp_path / program.name).symlink_to(program)
    return str(tmp_path)


def with_tools(tmp_path, monkeypatch, *absent):
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setattr(tools, "_SBIN", "")
    monkeypatch.setenv("PATH", path_without(programs, *absent))
    return programs


def test_a_missing_program_is_named_with_its_package(tmp_path, monkeypatch):
    with_tools(tmp_path, monkeypatch, "qemu-system-x86_64", "mkfs.xfs")
    assert tools.missing() == ["qemu-system-x86", "xfsprogs"]
    with pytest.raises(
        VmError, match="qemu-system-x86_64 is missing; install it: apt install qemu-system-x86"
    ):
        accel.qemu_version()


@pytest.mark.parametrize("said", ["QEMU emulator version 2.11.1(Debian 1:2.11)", "no QEMU at all"])
def test_a_qemu_that_is_too_old(tmp_path, monkeypatch, said):
    programs = with_tools(tmp_path, monkeypatch, "qemu-system-x86_64")
    old = programs / "qemu-system-x86_64"
    old.write_text(f"#!/bin/sh\necho '{said}'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(VmError, match=r"5\.2 or newer is needed"):
        accel.qemu_version()


def test_kvm_that_does_not_work_is_not_used(tmp_path):
    kernel = kernels.kernel("6.12")
    works, reason = accel.kvm(accel.qemu_version(), kernel)
    if works:
        pytest.skip("KVM works on this machine")
    assert accel.choose("auto", kernel) == "tcg"
    session = sessions.run("--kernel", "6.12", "--accel", "kvm", SMALL, results=tmp_path / "out")
    assert session.code == 4, session.output
    assert f"--accel kvm: {reason}" in session.output


COMMANDS = {
    "unknown kernel": (["fetch", "9.9"], 2, "fapitest: unknown kernel '9.9'; known are 5.10, 6.1"),
    "fetch what is built": (["fetch", "ref-6.12"], 2, "ref-6.12 is built, not fetched: python -m vm build"),
    "build": (["build", "ref-6.13"], 2, "unknown kernel 'ref-6.13'; is ref-6.12 meant? known are ref-6.12,"),
    "shell without --": (["shell", "6.12", "suites/x"], 2, "python -m vm shell 6.12 -- suites/x"),
    "shell with a typo": (["shell", "6.12", "--", "suites/pidfd_wiat"], 4, "is suites/pidfd_wait meant?"),
    "shell without tests": (["shell", "6.12", "--", "-k", "no_such"], 5, "matches no test: -k no_such"),
    "shell": (["shell", "9.9"], 2, "unknown kernel '9.9'"),
    "repeat with a typo": (
        ["repeat", "--select", "suites/pidfd_wiat", "6.12"],
        4,
        "is suites/pidfd_wait meant?",
    ),
    "repeat": (["repeat", "9.9"], 2, "unknown kernel '9.9'"),
    "repeat not once": (["repeat", "9.9", "--runs", "0"], 2, "--runs: 0: give a number from 1"),
    "repeat with no number": (["repeat", "9.9", "--runs", "ten"], 2, "--runs: ten: give a number from 1"),
    "repeat, less than idle": (["repeat", "9.9", "--busy", "-1"], 2, "--busy: -1: give a number from 0"),
    "list": (["list"], 0, "trixie-backports"),
    "doctor": (["doctor"], 0, "ok   QEMU:"),
    "doctor on apt": (["doctor"], 0, "ok   apt:       archive "),
    "setup": (["setup"], 0, ""),
    "help": (["--help"], 0, "shell"),
    "help on pytest": (["--help"], 0, "python -m pytest -c pyproject.toml --kernel 6.12"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line(name):
    words, code, message = COMMANDS[name]
    command = [sys.executable, "-m", "vm", *words]
    done = subprocess.run(command, cwd=image.PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_goes_on_without_a_cache():
    command = ["env", "FAPITEST_CACHE=/proc/nowhere", sys.executable, "-m", "vm", "doctor"]
    done = subprocess.run(command, cwd=image.PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    found = {line[5:].partition(":")[0]: line for line in done.stdout.splitlines()}
    assert list(found) == ["tools", "QEMU", "KVM", "memory", "VMs", "cache", "apt"]
    assert found["cache"].startswith("BAD  cache:     the cache directory /proc/nowhere can not be made: ")


@pytest.mark.parametrize("words", [["vm", "list"], ["reports", "list"]], ids=lambda words: words[0])
def test_whoever_reads_may_stop(words):
    """As in: python -m vm list | head -1."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=image.PROJECT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert b"Traceback" not in done.stderr
    assert b"Broken pipe" not in done.stderr


@pytest.mark.parametrize("module", ["vm", "reports"])
@pytest.mark.parametrize(
    ("where", "code", "said"),
    [(">&-", 0, []), (">/dev/full", 2, ["No space left on device"])],
    ids=["closed", "full"],
)
def test_output_that_can_not_be_written(tmp_path, module, where, code, said):
    (tmp_path / "run").mkdir()
    shutil.copy(image.PROJECT / "reports/tests/golden/results.jsonl", tmp_path / "run")
    words = {"vm": ["list"], "reports": ["--out", tmp_path, "summary", "run"]}[module]
    command = ["sh", "-c", f'exec "$@" {where}', "sh", sys.executable, "-m", module, *words]
    done = subprocess.run(command, cwd=image.PROJECT, stderr=subprocess.PIPE, text=True, check=False)
    mine = [line for line in done.stderr.splitlines() if "left out" not in line]
    assert (done.returncode, [line.partition(": ")[2] for line in mine]) == (code, said)
