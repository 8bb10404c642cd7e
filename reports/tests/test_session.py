# SPDX-License-Identifier: GPL-2.0-or-later
"""Real runs of pytest: what is stored, what is shown, and what survives."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.contract import manifest
from helpers.contract.manifest import End, Manifest
from helpers.contract.results import read
from helpers.contract.status import Status
from reports.export import export_all
from reports.tests.conftest import Finished, Project, on, without_times
from reports.tests.test_formats import agree

EVERY_STATUS = """
import os, signal
import pytest

@pytest.fixture
def wrong_in_setup():
    assert 1 == 2

@pytest.fixture
def breaks_in_setup():
    raise OSError(22, "Invalid argument")

@pytest.fixture
def wrong_in_teardown():
    yield
    pytest.fail("left a mark behind")

@pytest.fixture
def both_in_teardown(request):
    request.addfinalizer(lambda: 1 / 0)
    request.addfinalizer(lambda: pytest.fail("wrong too"))

@pytest.mark.behaviour("B-1", "B-2")
def test_pass(): pass
def test_fail(): assert 1 == 2, "the kernel\\nis wrong"
def test_pytest_fail(): pytest.fail("timed out")
def test_error(): open("/nonexistent")
def test_wrong_in_setup(wrong_in_setup): pass
def test_breaks_in_setup(breaks_in_setup): pass
def test_wrong_in_teardown(wrong_in_teardown): pass
def test_both_in_teardown(both_in_teardown): pass
def test_skip(): pytest.skip("no such feature")
@pytest.mark.skip(reason="why not")
def test_skip_mark(): pass
@pytest.mark.xfail(reason="bug 7")
def test_xfail(): assert 0
def test_xfail_call(): pytest.xfail("bug 8")
@pytest.mark.xfail(strict=True, reason="bug 9")
def test_xpass_strict(): pass
@pytest.mark.xfail(reason="bug 10")
def test_xpass(): pass
def test_subtests(subtests) -> None:
    with subtests.test("one"):
        pass
    with subtests.test("two"):
        assert 1 == 2, "the second"
@pytest.mark.behaviour("B-3")
def test_killed() -> None:
    if os.environ["KERNEL"] == "6.12":
        os.kill(os.getpid(), signal.SIGKILL)
def test_after(): pass
"""

STATUSES = {
    "test_pass": ("pass", ""),
    "test_fail": ("fail", "the kernel\n  is wrong\nassert 1 == 2"),
    "test_pytest_fail": ("fail", "timed out"),
    "test_error": (
        "error",
        "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent' (test_all.py:27)",
    ),
    "test_wrong_in_setup": ("fail", "assert 1 == 2"),
    "test_breaks_in_setup": ("error", "OSError: [Errno 22] Invalid argument (test_all.py:11)"),
    "test_wrong_in_teardown": ("fail", "left a mark behind"),
    "test_both_in_teardown": ("fail", "wrong too\nZeroDivisionError: division by zero"),
    "test_skip": ("skip", "no such feature"),
    "test_skip_mark": ("skip", "why not"),
    "test_xfail": ("xfail", "bug 7"),
    "test_xfail_call": ("xfail", "bug 8"),
    "test_xpass_strict": ("xpass", "bug 9"),
    "test_xpass": ("pass", ""),
    "test_subtests": ("fail", "the second\nassert 1 == 2"),
    "test_killed": ("pass", ""),
    "test_after": ("pass", ""),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.write("test_all.py", EVERY_STATUS)
    return project


@pytest.fixture(scope="module")
def two(project: Project) -> Finished:
    """A run on two kernels; one dies in the middle."""
    return project.run(*on(["6.1", "6.12"]), "-v", results="two")


@pytest.mark.parametrize("test", STATUSES)
def test_status_and_message(two: Finished, test: str) -> None:
    result = two.results["6.1", test]
    status, message = STATUSES[test]
    assert (result.status, result.message) == (status, message)


def test_a_killed_worker_costs_its_test_alone(two: Finished) -> None:
    on_both = {test: (two.results["6.1", test].status, two.results["6.12", test].status) for test in STATUSES}
    assert {test for test, (one, other) in on_both.items() if one != other} == {"test_killed"}
    assert len(two.results) == 2 * len(STATUSES)


def test_the_killed_test(two: Finished) -> None:
    result = two.results["6.12", "test_killed"]
    assert (result.status, result.release, result.accel) == ("panic", "6.12.0-test", "none")
    assert result.behaviours == ["B-3"]
    assert result.message == "Kernel panic - not syncing: Fatal exception"
    assert result.console
    assert result.console.startswith("BUG: unable to handle page fault")


def test_exit_code_and_last_line(two: Finished) -> None:
    assert two.code == 1
    assert two.last_line == f"results: {two.directory}/matrix.html"


def test_a_line_for_each_result_as_it_comes_if_asked_for(two: Finished) -> None:
    shown = without_times(two.output).partition("= ERRORS =")[0].splitlines()
    assert "6.1   pass   test_all.py::test_pass  (0.00 s)" in shown
    assert "6.12  pass   test_all.py::test_pass  (0.00 s)" in shown
    assert "6.12  skip   test_all.py::test_skip  (0.00 s): untyped: no such feature" in shown
    assert (
        "6.12  panic  test_all.py::test_killed  (0.00 s): Kernel panic - not syncing: Fatal exception"
        in shown
    )
    assert sum(bool(re.match(r"6\.\d+ +\w+ +test_all\.py::", line)) for line in shown) == 2 * len(STATUSES)


def test_details_name_the_kernel(two: Finished) -> None:
    assert re.search(r"___ test_fail on 6\.12 ___", two.output)
    assert re.search(r"___ ERROR at call of test_error on 6\.1 ___", two.output)
    assert re.search(r"___ test_killed on 6\.12 ___", two.output)


def test_a_guest_cannot_command_the_terminal(two: Finished) -> None:
    assert "\x1b" not in two.output
    assert r"\x1b[31mKernel panic - not syncing" in two.output


def test_the_table(two: Finished) -> None:
    lines = two.output.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("behaviours "))
    head, *rows = (re.split("  +", line) for line in lines[begin : begin + 3])
    table = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    # Two tests name three behaviours, each of the others stands for itself.
    sums = {"all": "18", "tests": "17", "fail": "6"}
    assert table["6.12"] | {"pass": "4", "panic": "1", **sums} == table["6.12"]
    assert table["6.1"] | {"pass": "5", "panic": "0", **sums} == table["6.1"]


def test_each_format_was_written(two: Finished) -> None:
    written = {str(path.relative_to(two.directory)) for path in two.directory.rglob("*")}
    assert {"6.1/junit.xml", "6.12/junit.xml", "allure-results/categories.json"} <= written


def test_one_process_is_enough(project: Project) -> None:
    run = project.run_here(results="here")
    assert {test: (result.status, result.message) for (_, test), result in run.results.items()} == STATUSES
    assert run.code == 1


@pytest.mark.parametrize(
    ("arguments", "shown", "hidden"),
    [
        ([], "6.1   done   17 tests: 6 fail, 2 error, 1 xpass, 2 xfail, 2 skip, 4 pass", "6.1   pass"),
        (["-q"], "6.1   fail   test_all.py::test_fail", "6.1   pass"),
        (["-v"], "6.1   pass   test_all.py::test_pass", "test_all.py::test_pass PASSED"),
        (["-rA"], "PASSED test_all.py::test_pass[6.1]", "FAILED"),
        (["--color=yes", "-v"], "\x1b[32m6.1   pass   test_all.py::test_pass", "\x1b[32m6.1   fail"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_terminal_options(
    project: Project, tmp_path: Path, arguments: list[str], shown: str, hidden: str
) -> None:
    run = project.run_here(*arguments, results=tmp_path / "run")
    assert shown in run.output
    assert hidden not in run.output
    assert run.code == 1


def test_an_expected_failure_that_is_seen_twice_is_one(tmp_path: Path) -> None:
    """In the test, and again while its fixture is torn down."""
    project = Project(tmp_path)
    project.write(
        "test_twice.py",
        "import pytest\n@pytest.fixture\ndef broken():\n    yield\n    assert 0\n"
        "@pytest.mark.xfail(reason='bug 7')\ndef test_twice(broken): assert 0\n",
    )
    run = project.run_here()
    assert [result.status for result in run.results.values()] == ["xfail"]
    assert "= 1 xfailed in " in run.output


def test_without_kernels_nothing_is_recorded_and_nothing_looks_different(project: Project) -> None:
    selection = ("-k", "test_pass or test_skip")
    with (
        project.start(*selection, kernel="6.1") as ours,
        project.start(*selection, "-p", "no:reports.plugin", kernel="6.1") as plain,
    ):
        ours_output, plain_output = ours.communicate()[0], plain.communicate()[0]
    assert without_times(ours_output) == without_times(plain_output)
    assert not project.out.exists()


HOSTILE = """
import pytest, warnings

def test_lines(): pytest.fail("\x1b[2J[red]line\\n" * 700_000)
def test_line(): assert False, "\x1b]0;title\x07" * 500_000
def test_output():
    print("\x1b[2J" * 100_000, "\\n" * 100_000)
    raise OSError("\x9b2J")
def test_warning(): warnings.warn("\x1b[2Jbeware")
@pytest.mark.parametrize("x", ["[red]"], ids=["[red]"])
def test_name(x): assert 0
"""
"""What a guest may say: the escapes are real characters in the tests."""


@pytest.mark.timeout(180)  # 14 MB through pytest's own terminal
@pytest.mark.parametrize("kernels", [[], ["6.1"]], ids=["here", "worker"])
def test_a_guest_floods_no_terminal_and_commands_none(tmp_path: Path, kernels: list[str]) -> None:
    project = Project(tmp_path)
    project.write("test_hostile.py", HOSTILE)
    run = project.run(*on(kernels)) if kernels else project.run_here()
    assert len(run.results) == 5
    assert "\x1b" not in run.output
    assert r"\x1b[2J[red]line" in run.output
    assert r"\x1b[2Jbeware" in run.output
    assert "test_name[[red]]" in run.output
    assert len(run.output) < 200_000
    assert re.search(r"\[… \d+ more lines; results.jsonl has more of it", run.output)


STATES = """
def pytest_runtestloop(session):
    for state, detail in [("waiting", ""), ("booting", ""), ("collecting", "ready after 3 s"), ("running", "")]:
        session.config.hook.pytest_kernel_state(kernel="6.1", vm=1, state=state, detail=detail)
"""


@pytest.mark.parametrize(("quiet", "said"), [([], 3), (["-q"], 0)], ids=["plain", "quiet"])
def test_a_log_has_a_line_for_what_happens_to_a_kernel(tmp_path: Path, quiet: list[str], said: int) -> None:
    project = Project(tmp_path)
    project.write("test_a.py", "def test_a(): pass")
    project.write("conftest.py", STATES)
    lines = project.run_here(*quiet).output.splitlines()
    wanted = ["6.1   booting", "6.1   collecting  ready after 3 s", "6.1   running"]
    assert [line for line in lines if line in wanted] == wanted[:said]


def test_what_to_do_next(two: Finished, project: Project) -> None:
    *_, again, last = two.output.rstrip().splitlines()
    file = two.directory / "failed.txt"
    assert again == f"run what failed again: tox -e matrix -- --kernel 6.1 --kernel 6.12 @{file}"
    assert last == f"results: {two.directory}/matrix.html"
    bad = {test for (_, test), result in two.results.items() if result.words.bad}
    assert {line.partition("::")[2] for line in file.read_text().splitlines()} == bad
    assert {test for _, test in project.run_here(f"@{file}", results="again").results} == bad


# ---- where results go ----


def test_two_runs_at_once(project: Project) -> None:
    options = ("--on-this-machine", "-k", "test_pass")
    with project.start(*options, kernel="6.1") as one, project.start(*options, kernel="6.1") as other:
        outputs = [run.communicate()[0] for run in (one, other)]
    directories = {
        output.rstrip().rpartition("results: ")[2].removesuffix("/matrix.html") for output in outputs
    }
    assert len(directories) == 2
    assert all(len(read(Path(directory, "results.jsonl")).results) == 1 for directory in directories)
    assert str((project.out / "latest").resolve()) in directories


def test_a_run_without_results_is_not_the_latest(project: Project) -> None:
    for selection in ("test_pass", "nothing"):
        with project.start("--on-this-machine", "-k", selection, kernel="6.1") as run:
            run.communicate()
        latest = (project.out / "latest").resolve()
        assert len(read(latest / "results.jsonl").results) == 1


def test_a_run_is_never_overwritten(project: Project, two: Finished) -> None:
    before = (two.directory / "results.jsonl").read_bytes()
    run = project.run_here(results="two")
    assert (run.code, run.output) == (
        4,
        f"ERROR: --results: {two.directory}/results.jsonl exists, and no run is overwritten\n\n",
    )
    assert (two.directory / "results.jsonl").read_bytes() == before


@pytest.mark.parametrize("argument", ["--collect-only", "--help", "--no-such-option"])
def test_what_is_no_run_leaves_nothing(project: Project, tmp_path: Path, argument: str) -> None:
    run = project.run_here(argument, results=tmp_path / "run")
    assert not run.directory.exists()


def test_nothing_selected(project: Project) -> None:
    assert project.run(*on(["6.1"]), "-k", "nothing", results="nothing").code == 5


def test_a_file_that_cannot_be_collected_is_an_error_on_each_kernel(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("test_a.py", "def test_a(): pass")
    project.write("test_b.py", "import no_such_module")
    run = project.run(*on(["6.1", "6.12"]))
    assert run.code == 1
    errors = {kernel: result for (kernel, _), result in run.results.items() if result.test == "test_b.py"}
    assert errors.keys() == {"6.1", "6.12"}
    assert errors["6.1"].message == "not collected: ModuleNotFoundError: No module named 'no_such_module'"


# ---- what goes wrong ----

LONG_MESSAGES = """
import pytest

@pytest.mark.parametrize("number", range(100))
def test_it(number) -> None:
    pytest.fail("x" * 1000)
"""


def test_a_full_disk_stops_no_run_and_loses_no_result(tiny: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("test_long.py", LONG_MESSAGES)
    run = project.run_here("--tb=no", results=tiny / "run")
    path = tiny / "run" / "results.jsonl"
    assert run.code == 1
    assert len(re.findall(r"test_it\[\d+\]  \(", run.output)) == 100, "each as it comes"
    assert len(re.findall(r"test_it\[\d+\] on 6.1: xxx", run.output)) == 100, "each in the summary"

    at_once = f"cannot write {path}: No space left on device; the run goes on, its results stay in memory"
    assert [line.startswith(at_once) for line in run.output.splitlines()].count(True) == 2
    assert run.output.index(at_once) < run.output.index("test_it[99]")

    assert re.search(r"\d+ of 100 results are not in \S+ \(No space left on device\)", run.output)
    (elsewhere,) = {
        Path(name) for name in re.findall(r"all results and reports of this run are in (\S+)", run.output)
    }
    assert run.last_line == f"results: {elsewhere}/matrix.html"
    whole = read(elsewhere / "results.jsonl")
    assert {result.test for result in whole.results} == {f"test_long.py::test_it[{n}]" for n in range(100)}
    assert (elsewhere / "6.1" / "junit.xml").exists()
    assert read(path).left_out == []


def test_a_directory_that_cannot_be_written_stops_no_run(project: Project, read_only: Path) -> None:
    run = project.run_here("-k", "test_pass", results=read_only / "run")
    said = re.search(
        rf"cannot write to {read_only}/run: Read-only file system; this run is kept in (\S+)", run.output
    )
    assert said
    assert run.code == 2
    assert len(read(Path(said[1], "results.jsonl")).results) == 1
    assert run.last_line == f"results: {said[1]}/matrix.html"


@pytest.mark.parametrize(("tests", "code"), [("test_pass", 2), ("test_pass or test_error", 1)])
def test_an_exporter_that_fails_costs_its_own_files_alone(
    project: Project, tmp_path: Path, tests: str, code: int
) -> None:
    (tmp_path / "blocked" / "6.1" / "junit.xml").mkdir(parents=True)
    run = project.run_here("-k", tests, results=tmp_path / "blocked")
    assert run.code == code
    assert re.search(r"^no junit report in \S+/blocked: IsADirectoryError: ", run.output, re.MULTILINE)
    assert len(run.results) == 3 - code
    assert (run.directory / "allure-results" / "categories.json").exists()


INTERRUPTED = """
import pathlib, threading
import pytest

def test_done(): pass

@pytest.fixture
def stands_still(request):
    yield
    pathlib.Path(request.config.rootpath, "still").touch()
    threading.Event().wait()

def test_called(stands_still): pass
def test_never(): pass
"""
TELLS_OF_THE_CALL = """
import os, pathlib
import pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    here = "PYTEST_XDIST_WORKER" not in os.environ
    if here and (report.nodeid, report.when) == ("test_still.py::test_called", "call"):
        pathlib.Path("told").touch()
"""


@pytest.fixture
def signals_as_in_a_terminal() -> Iterator[None]:
    """Whoever runs these tests with nohup(1) or in a script's background has signals ignored; runs inherit that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ignored = [number for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds * float(os.environ.get("FAPITEST_SLOW", "1"))
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)


@pytest.mark.usefixtures("signals_as_in_a_terminal")
@pytest.mark.parametrize(
    ("number", "kernels"),
    [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGHUP, []), (signal.SIGINT, ["6.1"])],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGINT-worker"],
)
def test_an_interrupted_run_keeps_what_has_passed(
    tmp_path: Path, number: signal.Signals, kernels: list[str]
) -> None:
    project = Project(tmp_path)
    project.write("test_still.py", INTERRUPTED)
    project.write("conftest.py", TELLS_OF_THE_CALL)
    how = on(kernels) if kernels else ["--on-this-machine"]
    with project.start(*how, "--results", tmp_path / "run", kernel="" if kernels else "6.1") as process:
        until(lambda: (tmp_path / "still").exists() and (tmp_path / "told").exists())
        os.killpg(process.pid, number)
        output = process.communicate()[0]
    run = Finished(process.returncode, output, tmp_path / "run")
    assert run.code == 2
    assert {test: result.status for (_, test), result in run.results.items()} == {
        "test_done": Status.PASS,
        "test_called": Status.PASS,
    }
    assert (run.directory / "6.1" / "junit.xml").exists()
    assert run.last_line == f"results: {run.directory}/matrix.html"

    assert "incomplete: 2 of 3 tests ran" in run.output
    agree(run.directory, planned={"6.1": 3}, how=End.INTERRUPTED)


def test_a_killed_controller_leaves_what_was_finished(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("test_still.py", INTERRUPTED)
    with project.start("--on-this-machine", "--results", tmp_path / "run", kernel="6.1") as process:
        until((tmp_path / "still").exists)
        process.kill()
        process.communicate()
    results = read(tmp_path / "run" / "results.jsonl").results
    assert [result.test for result in results] == ["test_still.py::test_done"]
    assert export_all(results, tmp_path / "run") == {}
    agree(tmp_path / "run", planned={"6.1": 3}, how=None)


# ---- what was planned, and did not run ----


def plan(run: Finished) -> Manifest:
    found = manifest.read(run.directory).manifest
    assert found
    return found


def test_the_manifest_of_a_whole_run(two: Finished) -> None:
    made = plan(two)
    assert made.how is End.COMPLETE
    assert made.started <= made.ended
    assert {kernel: len(tests or ()) for kernel, tests in made.planned.items()} == {
        "6.1": len(STATUSES),
        "6.12": len(STATUSES),
    }
    assert made.kernels["6.12"].release == "6.12.0-test"
    agree(two.directory, planned={"6.1": 17, "6.12": 17}, how=End.COMPLETE)


def test_the_manifest_is_there_before_the_first_test(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "test_a.py", "import json\ndef test_a(): json.load(open('results/manifest.json'))['machine']"
    )
    assert project.run_here().results["6.1", "test_a"].status is Status.PASS


@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_a_run_that_stops_early_is_aborted(project: Project, tmp_path: Path, option: str) -> None:
    run = project.run_here(option, results=tmp_path / "run")
    ran = len(run.results)
    assert run.code == 1
    assert f"incomplete: {ran} of 17 tests ran" in run.output
    assert f"6.1: {17 - ran} tests not run: the run was aborted" in run.output
    agree(run.directory, planned={"6.1": 17}, how=End.ABORTED)


def test_tests_that_did_not_run_are_no_success(tmp_path: Path) -> None:
    """A worker that ends before its time, and nobody knows why."""
    project = Project(tmp_path)
    project.write("test_a.py", "def test_a(): pass\ndef test_b(): pass")
    project.write(
        "conftest.py", "def pytest_runtest_protocol(item): return True if item.name == 'test_b' else None"
    )
    run = project.run_here()
    assert run.code == 2
    assert "incomplete: 1 of 2 tests ran" in run.output
    agree(run.directory, planned={"6.1": 2}, how=End.COMPLETE)


def test_what_was_deselected_was_not_planned(project: Project, tmp_path: Path) -> None:
    run = project.run_here("-k", "test_pass", results=tmp_path / "run")
    assert run.code == 0
    agree(run.directory, planned={"6.1": 1}, how=End.COMPLETE)


def test_a_kernel_that_comes_to_no_test_should_have_run_those_of_the_others(
    project: Project, tmp_path: Path
) -> None:
    run = project.run(*on(["6.1"]), "--kernel", "7.2", "-k", "test_pass", results=tmp_path / "run")
    assert run.code == 2
    assert "incomplete: 1 of 2 tests ran" in run.output
    agree(run.directory, planned={"6.1": 1, "7.2": 1}, how=End.COMPLETE)


EVIDENCE = """
import sys
def helper(table): return table["x"]
def test_key():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    helper({})
def test_pass(): print("not kept")
"""


@pytest.mark.parametrize("kernels", [[], ["6.1"]], ids=["here", "worker"])
def test_the_evidence_of_a_bad_result(tmp_path: Path, kernels: list[str]) -> None:
    project = Project(tmp_path)
    project.write("test_a.py", EVIDENCE)
    run = project.run(*on(kernels)) if kernels else project.run_here()
    result, passed = (run.results["6.1", name] for name in ("test_key", "test_pass"))
    assert result.message == "KeyError: 'x' (test_a.py:3)"
    assert result.where == "test_a.py:3"
    assert re.search(r">       helper\(\{\}\)[\s\S]*test_a.py:3: KeyError", result.traceback)
    assert "--- Captured stdout call ---\nto stdout" in result.output
    assert "to stderr" in result.output
    assert (passed.where, passed.traceback, passed.output) == ("", "", "")
    assert "test_a.py::test_key on 6.1: KeyError: 'x' (test_a.py:3)" in run.output


def test_other_plugins_see_reports_as_they_are(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("test_a.py", "def test_a(): pass")
    project.write(
        "conftest.py",
        "import json, pathlib\nseen = []\n"
        "def pytest_runtest_logreport(report): seen.append([report.nodeid, report.location[2]])\n"
        "def pytest_unconfigure(): pathlib.Path('seen').write_text(json.dumps(seen))\n",
    )
    project.run_here()
    assert json.loads((tmp_path / "seen").read_text()) == [["test_a.py::test_a", "test_a"]] * 3
