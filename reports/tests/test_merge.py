# SPDX-License-Identifier: GPL-2.0-or-later
import json
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.contract import manifest
from helpers.contract.manifest import End, Kernel, Manifest, Suite
from helpers.contract.results import Result, read, write
from helpers.contract.status import Status
from reports.__main__ import main
from reports.tests.conftest import plan_of

TESTS = ("a.py::x", "a.py::y")


def result(kernel: str, status: str = "pass", test: str = "a.py::x", accel: str = "") -> Result:
    return Result(kernel, "", accel, test, ["B-1"], Status(status))


def job(directory: Path, *results: Result, plan: Manifest | None = None) -> Path:
    """Make what a CI job leaves behind."""
    directory.mkdir()
    write(directory / "results.jsonl", results)
    if plan:
        (directory / manifest.FILE).write_bytes(manifest.dump(plan))
    for kernel in {one.kernel for one in results}:
        (directory / kernel / "allure-results").mkdir(parents=True)
        (directory / kernel / "console.log").write_text(f"{kernel} booted in {directory.name}")
        (directory / kernel / "allure-results" / f"{kernel}-result.json").write_text("{}")
    return directory


def planned(*kernels: Kernel | str, how: End | None = End.COMPLETE, commit: str = "c") -> Manifest:
    made = Manifest(suite=Suite(commit), how=how)
    for one in kernels:
        kernel = Kernel(one) if isinstance(one, str) else one
        made = made.with_kernel(kernel).with_tests(kernel.name, dict.fromkeys(TESTS, ()))
    return made


def whole(directory: Path, kernel: Kernel, commit: str = "c") -> Path:
    """Make what a job leaves behind that ran all its tests."""
    return job(
        directory, *(result(kernel.name, test=test) for test in TESTS), plan=planned(kernel, commit=commit)
    )


@pytest.fixture
def jobs(tmp_path: Path) -> list[Path]:
    return [whole(tmp_path / name, Kernel(name, f"{name}.1")) for name in ("7.2", "6.12")]


def merge(target: Path, *words: object) -> int:
    return main(["merge", "--into", str(target), *map(str, words)])


def statuses(directory: Path) -> dict[tuple[str, str], str]:
    return {(one.kernel, one.test): one.status for one in read(directory / "results.jsonl").results}


def test_merge(jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert merge(tmp_path / "new" / "all", *jobs) == 0
    assert capsys.readouterr().err == ""
    assert statuses(tmp_path / "new" / "all").keys() == {
        (name, test) for name in ("7.2", "6.12") for test in TESTS
    }
    assert (tmp_path / "new" / "all" / "6.12" / "console.log").read_text() == "6.12 booted in 6.12"


def test_the_merged_run_has_the_plan_of_all(jobs: list[Path], tmp_path: Path) -> None:
    assert merge(tmp_path / "all", *jobs) == 0
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert (made.planned, made.how) == ({"7.2": TESTS, "6.12": TESTS}, End.COMPLETE)
    assert (made.suite.commit, made.kernels["6.12"].release) == ("c", "6.12.1")


def test_a_line_that_was_cut_off_costs_itself_alone(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (jobs[0] / "results.jsonl").open("ab") as file:
        file.write(b'{"kernel": "7')
    assert merge(tmp_path / "all", *jobs) == 1
    said = f"reports: missing: {jobs[0]}/results.jsonl: line 3 left out: cut off\n"
    assert capsys.readouterr().err == said
    assert len(statuses(tmp_path / "all")) == 4


def test_the_command_writes_the_page_of_all(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out"), "merge", *map(str, jobs)]) == 0
    said = capsys.readouterr()
    page = Path(said.out.strip())
    assert said.err == f"latest is {page.parent.name} now\n"
    assert page == (tmp_path / "out" / "latest").resolve() / "matrix.html"
    columns = json.loads(page.with_suffix(".json").read_text())["kernels"]
    assert [column["name"] for column in columns] == ["6.12", "7.2"]


def test_no_run_is_overwritten(jobs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = (jobs[0] / "results.jsonl").read_bytes()
    assert merge(jobs[0], *jobs) == 2
    said = f"reports: {jobs[0]} holds a run already, and no run is overwritten; name another\n"
    assert capsys.readouterr().err == said
    assert (jobs[0] / "results.jsonl").read_bytes() == before


# ---- what is missing ----


def test_a_job_without_a_run_is_named_and_a_kernel_without_tests(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merge(tmp_path / "all", *jobs, tmp_path / "6.1") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"reports: missing: no run {tmp_path}/6.1: ")
    assert said[1] == "reports: missing: 6.1: 0 of 2 tests ran"
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert (made.planned["6.1"], made.how) == (None, None)


def test_a_run_that_had_no_time_for_results_has_its_plan(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = job(tmp_path / "job", plan=planned("6.1", how=None))
    (cut / "results.jsonl").unlink()
    assert merge(tmp_path / "all", *jobs, cut) == 1
    assert "reports: missing: 6.1: 0 of 2 tests ran\n" in capsys.readouterr().err


@pytest.mark.parametrize("how", [End.INTERRUPTED, End.ABORTED, None], ids=str)
def test_a_run_that_ended_before_its_time_is_said(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], how: End | None
) -> None:
    cut = job(tmp_path / "6.1", result("6.1"), plan=planned("6.1", how=how))
    assert merge(tmp_path / "all", *jobs, cut) == 1
    assert capsys.readouterr().err == "reports: missing: 6.1: 1 of 2 tests ran\n"
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert made.how is how


@pytest.mark.parametrize(
    "plan", [None, Manifest(how=End.COMPLETE).with_kernel(Kernel("6.1"))], ids=["", "planned"]
)
def test_a_kernel_that_did_not_boot_is_said(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], plan: Manifest | None
) -> None:
    boot = job(
        tmp_path / "6.1", replace(result("6.1", "lost", "vm::boot"), message="QEMU\x1b[2J ended"), plan=plan
    )
    assert merge(tmp_path / "all", *jobs, boot) == 1
    assert capsys.readouterr().err.endswith("reports: missing: 6.1: no test ran: QEMU\\x1b[2J ended\n")


def test_two_halves_of_a_run_make_a_whole_one(tmp_path: Path) -> None:
    halves = [
        job(tmp_path / test[-1], result("6.1", test=test), plan=planned("6.1", how=End.INTERRUPTED))
        for test in TESTS
    ]
    assert merge(tmp_path / "all", *halves) == 0
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert made.how is End.COMPLETE


def test_where_nothing_is_left_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert merge(tmp_path / "none", tmp_path / "6.1", tmp_path / "6.12") == 2
    assert "there is nothing to merge: no run" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_runs_of_a_former_time_are_merged_without_a_plan(tmp_path: Path) -> None:
    old = [job(tmp_path / name, result(name)) for name in ("6.1", "6.12")]
    assert merge(tmp_path / "all", *old) == 1
    assert manifest.read(tmp_path / "all").manifest is None


def test_a_run_without_a_manifest_takes_nobody_elses_plan_away(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = job(tmp_path / "half", result("6.1"), plan=planned("6.1", how=End.INTERRUPTED))
    (jobs[0] / manifest.FILE).unlink()
    for number, runs in enumerate([(jobs[0], half), (half, jobs[0])]):
        assert merge(tmp_path / f"all{number}", *runs) == 1
        assert f"missing: {jobs[0]}: no manifest" in capsys.readouterr().err
        made = manifest.read(tmp_path / f"all{number}").manifest
        assert made
        assert (made.how, made.planned["6.1"], made.planned["7.2"]) == (None, TESTS, TESTS)


def test_a_killed_run_does_not_become_a_complete_one(jobs: list[Path], tmp_path: Path) -> None:
    killed = job(
        tmp_path / "6.1", *(result("6.1", test=test) for test in TESTS), plan=planned("6.1", how=None)
    )
    merge(tmp_path / "all", *jobs, killed)
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert made.how is None


def test_what_is_missing_is_said_whatever_else_goes_wrong(jobs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "all" / "6.12" / "junit.xml").mkdir(parents=True)
    assert merge(tmp_path / "all", *jobs) == 2
    (tmp_path / "more" / "6.12" / "junit.xml").mkdir(parents=True)
    assert merge(tmp_path / "more", *jobs, tmp_path / "6.1") == 1


# ---- what does not belong together ----

STRANGERS = {
    "point releases": (
        Kernel("6.12", "6.12.41"), Kernel("6.12", "6.12.48"), "6.12 is 6.12.41 in {a} and 6.12.48 in {b}"
    ),
    "builds": (
        Kernel("6.12", "6.12.41", image="a" * 64), Kernel("6.12", "6.12.41", image="b" * 64),
        "6.12 is image aaaaaaaaaaaa in {a} and image bbbbbbbbbbbb in {b}",
    ),
    "configurations": (
        Kernel("6.12", "6.12.41", config="a" * 64), Kernel("6.12", "6.12.41", config="b" * 64),
        "6.12 is configuration aaaaaaaaaaaa in {a} and",
    ),
    "machines": (
        Kernel("host", "6.18.5", hostname="one"), Kernel("host", "6.18.5", hostname="two"),
        "host is of machine one in {a} and of machine two in {b}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS)
def test_two_kernels_of_one_name_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    one, other, said = STRANGERS[case]
    a, b = whole(tmp_path / "a", one), whole(tmp_path / "b", other)
    assert merge(tmp_path / "all", a, b, "--force") == 2
    advice = f"these are two kernels; give one another name: --rename {b}:{one.name}=NAME\n"
    error = capsys.readouterr().err
    assert said.format(a=a, b=b) in error
    assert error.endswith(advice)
    assert not (tmp_path / "all").exists()


def test_a_kernel_gets_another_name_and_keeps_what_belongs_to_it(tmp_path: Path) -> None:
    a, b = (whole(tmp_path / name, Kernel("6.12", f"6.12.{name}")) for name in ("41", "48"))
    assert merge(tmp_path / "all", a, b, "--rename", f"{b}:6.12=6.12.48") == 0
    assert {kernel for kernel, _ in statuses(tmp_path / "all")} == {"6.12", "6.12.48"}
    assert (tmp_path / "all" / "6.12.48" / "console.log").read_text() == "6.12 booted in 48"
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert made.kernels["6.12.48"].release == "6.12.48"
    assert made.planned["6.12.48"] == TESTS


def test_runs_of_different_tests_are_merged_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = (whole(tmp_path / name, Kernel(name), commit=name * 40) for name in ("a", "b"))
    assert merge(tmp_path / "all", a, b) == 2
    assert f"commit aaaaaaaaaaaa in {a}, commit bbbbbbbbbbbb in {b}; to merge" in capsys.readouterr().err
    assert merge(tmp_path / "all", a, b, "--force") == 0
    said = "the tests are not the same everywhere: commit aaaaaaaaaaaa and commit bbbbbbbbbbbb"
    assert said in capsys.readouterr().err
    assert said in json.loads((tmp_path / "all" / "matrix.json").read_text())["headline"]
    assert merge(tmp_path / "more", tmp_path / "all", a) == 2
    assert f"commit aaaaaaaaaaaa and commit bbbbbbbbbbbb in {tmp_path}/all, commit" in capsys.readouterr().err


@pytest.mark.parametrize("order", [1, -1], ids=["known first", "unknown first"])
def test_tests_that_nobody_knows_are_not_taken_for_those_of_others(tmp_path: Path, order: int) -> None:
    """A checkout without git, and a run without a manifest."""
    jobs = [
        whole(tmp_path / "a", Kernel("a")),
        whole(tmp_path / "b", Kernel("b"), commit=""),
        job(tmp_path / "d", *(result("d", test=test) for test in TESTS)),
    ]
    merge(tmp_path / "all", *jobs[::order])
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert {*made.mixed} == {Suite("c"), Suite()}


@pytest.mark.parametrize(
    ("baselines", "merged"),
    [
        (("6.12", "6.12"), "6.12"),
        (("6.12", "none"), "none"),
        (("none", "6.12"), "none"),
        (("6.12", "7.2"), "none"),
        (("6.12", ""), "6.12"),
        (("", ""), ""),
    ],
)
def test_a_kernel_is_held_against_what_all_its_tests_were(
    tmp_path: Path, baselines: tuple[str, str], merged: str
) -> None:
    halves = [
        job(
            tmp_path / test[-1],
            result("6.12", test=test),
            plan=planned(Kernel("6.12", "6.12.1", baseline=baseline)),
        )
        for test, baseline in zip(TESTS, baselines, strict=True)
    ]
    assert merge(tmp_path / "all", *halves) == 0
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert made.kernels["6.12"].baseline == merged


def test_what_is_known_of_a_kernel_in_any_run_is_kept(tmp_path: Path) -> None:
    parts = (
        Kernel("6.12", "6.12.1", config="c"),
        Kernel("6.12", "6.12.1", image="i", packages={"linux": "1"}),
    )
    merge(tmp_path / "all", *(whole(tmp_path / str(number), one) for number, one in enumerate(parts)))
    made = manifest.read(tmp_path / "all").manifest
    assert made
    assert made.kernels["6.12"] == replace(parts[1], config="c")


def test_a_damaged_manifest_is_told_and_hides_no_result(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (jobs[0] / manifest.FILE).write_text('{"format": 2}')
    assert merge(tmp_path / "all", *jobs) == 1
    assert f"missing: {jobs[0]}: manifest.json: format 2, and 1 is" in capsys.readouterr().err
    assert len(statuses(tmp_path / "all")) == 4


# ---- one kernel in two runs ----


@pytest.mark.parametrize("order", [("fail", "pass"), ("pass", "fail")], ids=" then ".join)
def test_no_failure_goes_because_a_test_passed_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], order: tuple[str, str]
) -> None:
    """Two runs on a machine whose name nobody knows."""
    runs = [result("host", status, accel="none") for status in order]
    a, b = (job(tmp_path / str(n), one, plan=plan_of([one])) for n, one in enumerate(runs))
    assert merge(tmp_path / "all", a, b) == 0
    assert statuses(tmp_path / "all") == {("host", "a.py::x"): "fail"}
    assert (
        capsys.readouterr().err
        == f"reports: 1 test of host ended differently in {a} and {b}: the worse counts\n"
    )


def test_both_consoles_of_a_kernel_are_kept(tmp_path: Path) -> None:
    a, b = (whole(tmp_path / name, Kernel("6.12")) for name in ("a", "b"))
    assert merge(tmp_path / "all", a, b) == 0
    logs = sorted((tmp_path / "all" / "6.12").glob("console*.log"))
    assert {log.name: log.read_text() for log in logs} == {
        "console.log": "6.12 booted in a",
        "console-2.log": "6.12 booted in b",
    }


# ---- what a merge can not make up for ----


def shard(directory: Path, *results: Result, **kernels: tuple[str, ...] | None) -> Path:
    """A job that was interrupted while some of its kernels, those of None, had not collected their tests."""
    plan = Manifest(suite=Suite("c"), how=End.INTERRUPTED)
    for name, tests in kernels.items():
        plan = plan.with_kernel(Kernel(name))
        plan = plan if tests is None else plan.with_tests(name, dict.fromkeys(tests, ()))
    return job(directory, *results, plan=plan)


def test_a_kernel_that_came_to_no_tests_lacks_those_of_its_own_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = shard(tmp_path / "one", result("a"), a=("a.py::x",))
    other = shard(tmp_path / "other", result("b", test="a.py::y"), a=None, b=("a.py::y",))
    for name, order in (("ab", (one, other)), ("ba", (other, one))):
        assert merge(tmp_path / name, *order) == 1
        said = capsys.readouterr().err
        assert "missing: a: 1 of 2 tests ran" in said
        assert f"missing: a: its tests were never collected in {other}" in said
        (row,) = (
            one
            for one in json.loads((tmp_path / name / "matrix.json").read_text())["kernels"]
            if one["name"] == "a"
        )
        assert row["planned"] - row["ran"] == 1


def cut_off(run: Path) -> None:
    with (run / "results.jsonl").open("ab") as file:
        file.write(b'{"kern')


DAMAGE = {
    "a line cut off": (
        cut_off,
        "line 3 left out: cut off",
    ),
    "no manifest": (lambda run: (run / manifest.FILE).unlink(), "no manifest"),
    "no results": (lambda run: (run / "results.jsonl").unlink(), "no run "),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_is_missing_is_said_for_good(tmp_path: Path, case: str) -> None:
    """Also where another run has the same tests: nobody knows what else there was."""
    one, other = (whole(tmp_path / name, Kernel("6.12")) for name in ("one", "other"))
    damage, said = DAMAGE[case]
    damage(other)
    assert merge(tmp_path / "all", one, other) == 1
    assert merge(tmp_path / "again", tmp_path / "all", one) == 1
    for made in ("all", "again"):
        headline = json.loads((tmp_path / made / "matrix.json").read_text())["headline"]
        assert headline.startswith("incomplete: ")
        assert said in headline
    assert main(["diff", str(one), str(tmp_path / "again")]) == 1


def test_a_foreign_manifest_is_not_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = whole(tmp_path / "one", Kernel("6.12"))
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / manifest.FILE).write_bytes((one / manifest.FILE).read_bytes())
    assert merge(tmp_path / "all", one) == 2
    assert "holds a manifest.json already; name another directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["6.12\x1b[2J", "a/b", "..", "results.jsonl", "matrix.html", ""])
def test_a_name_that_is_none_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = whole(tmp_path / "one", Kernel("6.12"))
    assert merge(tmp_path / "all", one, "--rename", f"{one}:6.12={name}") == 2
    assert "--rename" in capsys.readouterr().err
