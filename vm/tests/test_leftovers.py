# SPDX-License-Identifier: GPL-2.0-or-later
"""The next run removes the leftovers of a killed run, and never anything in use."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vm import cache, clean, image, kernels, scratch
from vm.errors import VmError
from vm.tests import sessions

pytestmark = pytest.mark.timeout(900)
MAKERS = {
    "scratch": "from vm import scratch; made = scratch.Scratch().path",
    "entry": "from vm import cache; making = cache.making(cache.root() / 'kernels/x'); made = making.__enter__()",
}


@pytest.fixture(scope="module")
def common():
    """The entries that the caches of these tests share: the base archive, and 6.12, which boots without modules."""
    return image.base().parent.parent, kernels.kernel("6.12").image


@pytest.fixture(autouse=True)
def private(common, monkeypatch):
    """A private cache and TMPDIR with short names, and a private kernel, of which no state is saved."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        monkeypatch.setenv("FAPITEST_CACHE", f"{name}/cache")
        monkeypatch.setenv("TMPDIR", f"{name}/tmp")
        monkeypatch.setattr(tempfile, "tempdir", f"{name}/tmp")
        Path(name, "tmp").mkdir()
        (cache.root() / "base").symlink_to(common[0])
        shutil.copyfile(common[1], f"{name}/vmlinuz")
        yield Path(name)


def words(private):
    return ("--kernel", f"mine={private}/vmlinuz", "--accel", "tcg", f"{sessions.FAULTS}/complaint.py")


def sweep():
    return list((scratch.sweep() | cache.sweep()).keys())


@pytest.mark.parametrize("what", MAKERS)
def test_what_a_killed_process_leaves_goes_and_nothing_before(what, private):
    code = f"import sys; {MAKERS[what]}; print(made, flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=image.PROJECT, stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout
        made = Path(process.stdout.readline().strip())
        (made / "big").write_bytes(bytes(1 << 20))
        assert sweep() == []
        process.kill()
    assert sweep() == [made]
    assert not made.exists()


def booting(private):
    run = sessions.start(*words(private), results=private / "out")
    sessions.wait_until(lambda: run.virtual_machines() or run.process.poll() is not None, "the VM")
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_during_boot_is_a_line_and_leaves_a_run_without_results(private, number):
    run = booting(private)
    run.process.send_signal(number)
    run.wait()
    assert run.code == 2, run.output
    assert f"! Interrupted: by {number.name} !" in run.output
    assert not {"Traceback", "KeyboardInterrupt"} & set(re.findall(r"\w+", run.output))
    assert (list((private / "tmp").iterdir()), run.virtual_machines()) == ([], [])
    assert {path.name for path in run.results.iterdir()} == {"mine", "manifest.json", "results.jsonl"}


def test_the_next_command_removes_what_a_killed_run_has_left(private):
    run = booting(private)
    run.process.kill()
    run.wait()
    sessions.wait_until(lambda: not run.virtual_machines(), "the end of the VM")
    assert list((private / "tmp").glob("fapitest-*"))
    subprocess.run([sys.executable, "-m", "vm", "list"], cwd=image.PROJECT, check=True, capture_output=True)
    assert list((private / "tmp").glob("fapitest-*")) == []


def entry(path, **files):
    with cache.storing(cache.root() / path, {}) as made:
        for name, content in files.items():
            (made / name).write_bytes(content)
    return cache.root() / path


@pytest.fixture
def nothing_shared():
    (cache.root() / "base").unlink()


@pytest.mark.usefixtures("nothing_shared")
def test_clean_removes_what_is_of_this_project_and_in_nobodys_use(private):
    gone, used, mixed = (entry(f"kernels/{name}", vmlinuz=bytes(5000)) for name in ("gone", "used", "mixed"))
    foreign = [
        cache.root() / "thesis.txt",
        mixed / "notes",
        cache.root() / "apt/mine/x",
        cache.root() / "kvm/x.txt",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    cache.hold(used)
    removals = {removal.path: removal for removal in clean.clean()}
    assert {path for path, removal in removals.items() if removal.size is not None} == {gone}
    assert removals[used].reason == "in use"
    assert all(path.read_text() == "mine" for path in foreign)
    assert not gone.exists()


@pytest.mark.usefixtures("nothing_shared")
def test_clean_says_what_and_how_much(private):
    entry("custom/0123", vmlinuz=bytes(3 << 20))
    done = subprocess.run(
        [sys.executable, "-m", "vm", "clean"], cwd=image.PROJECT, capture_output=True, text=True, check=True
    )
    assert "custom/0123: 3.0 MiB\nremoved 1 entry, 3.0 MiB" in done.stdout


# --- paths that QEMU or a socket does not accept as they are ---


def test_a_path_with_commas_and_a_long_tmpdir(private):
    """Checkout, results and TMPDIR at once."""
    project, temporary = private / "a,b" / "check,out", private / ("t" * 105)
    temporary.mkdir()
    for name in image.PROJECT_FILES:
        subprocess.run(["install", "-d", project], check=True)
        subprocess.run(["cp", "-r", image.PROJECT / name, project], check=True)
    # Without these files there is less to compile.
    subprocess.run("rm -r suites/*/ reports/out vm/reference || true", shell=True, cwd=project, check=True)
    environment = {"TMPDIR": str(temporary)}
    run = sessions.run(
        *words(private), results=private / "out,put", directory=project, environment=environment
    )
    assert run.code == 1, run.output
    assert len(run.statuses("mine")) == 4


def test_no_place_for_sockets_is_one_line(monkeypatch, private):
    (long := private / ("t" * 105)).mkdir()
    monkeypatch.setattr(scratch, "_candidates", lambda: [long, Path("/nowhere")])
    with pytest.raises(VmError, match="no directory for the sockets of VMs: the path of TMPDIR"):
        scratch.place()


@pytest.mark.parametrize("command", [["-m", "vm", "list"], ["-m", "pytest", "--kernel", "6.12"]])
def test_without_asserts_nothing_runs(command):
    environment = {**os.environ, "PYTHONOPTIMIZE": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=image.PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {2, 4}
    assert "leaves out the asserts" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
