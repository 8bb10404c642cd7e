# SPDX-License-Identifier: GPL-2.0-or-later
import json
from pathlib import Path

import pytest

from helpers.contract.results import Result, dump, read
from helpers.contract.status import Status
from reports.__main__ import main
from reports.merge import merge


def job(directory: Path, *results: Result) -> Path:
    """Make what a CI job leaves behind."""
    directory.mkdir()
    (directory / "results.jsonl").write_bytes(b"".join(map(dump, results)))
    for kernel in {result.kernel for result in results}:
        (directory / kernel / "allure-results").mkdir(parents=True)
        (directory / kernel / "console.log").write_text(f"{kernel} booted")
        (directory / kernel / "allure-results" / f"{kernel}-result.json").write_text("{}")
    return directory


def result(kernel: str, status: str = "pass") -> Result:
    return Result(kernel, "", "", "a.py::x", [], Status(status))


@pytest.fixture
def jobs(tmp_path: Path) -> list[Path]:
    return [job(tmp_path / name, result(name)) for name in ("7.2", "6.12")]


def test_merge(jobs: list[Path], tmp_path: Path) -> None:
    merge(jobs, tmp_path / "new" / "all")
    assert [one.kernel for one in read(tmp_path / "new" / "all" / "results.jsonl").results] == ["7.2", "6.12"]
    assert (tmp_path / "new" / "all" / "6.12" / "console.log").read_text() == "6.12 booted"


def test_a_line_that_was_cut_off_costs_itself_alone(jobs: list[Path], tmp_path: Path) -> None:
    with (jobs[0] / "results.jsonl").open("ab") as file:
        file.write(b'{"kernel": "7')
    merge(jobs, tmp_path / "all")
    found = read(tmp_path / "all" / "results.jsonl")
    assert [one.kernel for one in found.results] == ["7.2", "6.12"]
    assert found.left_out == ["line 2 left out: not JSON"]


def test_the_last_of_two_runs_of_a_kernel_counts(jobs: list[Path], tmp_path: Path) -> None:
    again = job(tmp_path / "again", result("7.2", "fail"))
    merge([*jobs, again], tmp_path / "all")
    found = {one.kernel: one.status for one in read(tmp_path / "all" / "results.jsonl").results}
    assert found == {"7.2": Status.FAIL, "6.12": Status.PASS}


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
    assert len(list((page.parent / "allure-results").glob("*-result.json"))) == 2


def test_no_run_is_overwritten(jobs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = (jobs[0] / "results.jsonl").read_bytes()
    assert main(["merge", "--into", str(jobs[0]), *map(str, jobs)]) == 2
    said = f"reports: {jobs[0]} holds a run already, and no run is overwritten; name another\n"
    assert capsys.readouterr().err == said
    assert (jobs[0] / "results.jsonl").read_bytes() == before


def test_a_job_without_results_costs_itself_alone(
    jobs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["merge", "--into", str(tmp_path / "all"), str(tmp_path / "empty"), str(jobs[0])]) == 0
    assert "left out: no run" in capsys.readouterr().err
    assert main(["merge", "--into", str(tmp_path / "none"), str(tmp_path / "empty")]) == 2
    assert not (tmp_path / "none").exists()
