# SPDX-License-Identifier: GPL-2.0-or-later
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.contract.manifest import FILE, NO_MANIFEST, End, Manifest, Suite, dump
from helpers.contract.results import read
from reports.__main__ import main
from reports.evidence import catalogue
from reports.export import EXPORTERS
from reports.run import point_latest_at
from reports.summary import summary
from reports.tests.conftest import ROOT, plan_of

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A directory with one run and one that recorded nothing."""
    for name in ("20260101T000000Z", "20260102T030405Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").touch()
    shutil.copy(GOLDEN / "results.jsonl", tmp_path / "20260102T030405Z")
    point_latest_at(tmp_path / "20260102T030405Z")
    return tmp_path


def test_list(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(out), "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"20260101T000000Z    no results; {NO_MANIFEST}",
        (
            "20260102T030405Z  6.12 7.2  3 pass, 1 skip, 1 xfail, 1 xpass, 1 not-run, 1 error, 2 fail, "
            f"1 lost, 1 hang, 1 panic; {NO_MANIFEST}"
        ),
    ]


def test_a_run_that_can_not_be_read_hides_no_other(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = out / "20260101T120000Z" / "results.jsonl"
    broken.mkdir(parents=True)
    assert main(["--out", str(out), "list"]) == 2
    captured = capsys.readouterr()
    assert [line.split()[0] for line in captured.out.splitlines()] == ["20260101T000000Z", "20260102T030405Z"]
    assert captured.err == f"reports: {broken}: Is a directory\n"


def test_list_and_summary_say_what_is_missing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = read(GOLDEN / "results.jsonl").results
    (out / "latest" / FILE).write_bytes(dump(plan_of(results, End.INTERRUPTED)))
    for command in ("list", "summary", "trace", "trace --format markdown"):
        assert main(["--out", str(out), *command.split()]) == 0
        assert "incomplete: 11 of 12 tests ran" in capsys.readouterr().out


@pytest.mark.parametrize("name", [[], ["latest"], ["20260102T030405Z"]], ids=["default", "latest", "name"])
def test_summary(out: Path, capsys: pytest.CaptureFixture[str], name: list[str]) -> None:
    assert main(["--out", str(out), "summary", *name]) == 0
    lines = [line.text for line in summary(read(GOLDEN / "results.jsonl").results, known=catalogue())]
    assert capsys.readouterr().out.splitlines() == [*lines, NO_MANIFEST]


def test_a_run_elsewhere_is_named_by_its_path(out: Path, tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "no"), "summary", str(out / "latest")]) == 0


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("matrix", ["matrix.html", "matrix.md", "matrix.json"]),
        ("junit", ["6.12/junit.xml", "7.2/junit.xml", "junit.xml"]),
        ("ktap", ["6.12/ktap.txt", "7.2/ktap.txt", "ktap.txt"]),
        ("kcidb", ["kcidb.json"]),
        ("ltp", ["6.12/ltp.json", "7.2/ltp.json"]),
        ("tmt", ["results.yaml"]),
        ("lava", ["6.12/lava.txt", "7.2/lava.txt"]),
        ("failed", ["failed.txt"]),
        ("allure", ["allure-results", "allurerc.mjs"]),
    ],
)
def test_formats(out: Path, capsys: pytest.CaptureFixture[str], command: str, written: list[str]) -> None:
    assert main(["--out", str(out), command]) == 0
    paths = [out / "20260102T030405Z" / name for name in written]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert all(path.exists() for path in paths)


def test_every_format_can_be_written_again(out: Path) -> None:
    assert {"failed", "matrix", "junit", "ktap", "kcidb", "ltp", "tmt", "lava", "allure"} == set(EXPORTERS)


@pytest.fixture
def worse(out: Path) -> Path:
    """Beside the run another in which a test that passed fails, both of them whole."""
    (out / "20260103T000000Z").mkdir()
    text = (GOLDEN / "results.jsonl").read_text().replace('"not-run"', '"error"')
    (out / "latest" / "results.jsonl").write_text(text)
    worse = text.replace('"status": "pass"', '"status": "fail"', 1)
    (out / "20260103T000000Z" / "results.jsonl").write_text(worse)
    for name in ("latest", "20260103T000000Z"):
        (out / name / FILE).write_bytes(dump(plan_of(read(out / name / "results.jsonl").results)))
    return out


def test_diff(worse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(worse), "diff", "20260102T030405Z", "20260103T000000Z"]) == 1
    assert capsys.readouterr().out.startswith("20260102T030405Z → 20260103T000000Z: 1 regression\n")
    assert main(["--out", str(worse), "diff", "20260103T000000Z", "20260102T030405Z"]) == 0
    assert "1 fixed" in capsys.readouterr().out


def test_two_directories_of_one_name_are_told_apart(
    worse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "elsewhere" / "20260102T030405Z"
    shutil.copytree(worse / "20260103T000000Z", moved)
    assert main(["--out", str(worse), "diff", "latest", str(moved)]) == 1
    assert capsys.readouterr().out.startswith(f"latest → {moved}: 1 regression")


def test_two_kernels_of_a_run_are_compared(worse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(worse), "diff", "latest:6.12", "latest:7.2"]) == 1
    assert "\ncompared: 6.12 → 7.2 (chosen by hand, " in capsys.readouterr().out
    assert main(["--out", str(worse), "diff", "latest:7.2", "latest:7.2"]) == 0


@pytest.mark.parametrize(
    ("form", "begin"),
    [("text", "20260102T030405Z →"), ("markdown", "**20260102T030405Z →"), ("json", '{\n "format": 1')],
)
def test_formats_of_diff(worse: Path, capsys: pytest.CaptureFixture[str], form: str, begin: str) -> None:
    arguments = ["diff", "--format", form, "20260102T030405Z", "20260103T000000Z"]
    assert main(["--out", str(worse), *arguments]) == 1
    assert capsys.readouterr().out.startswith(begin)


@pytest.mark.parametrize(
    ("arguments", "earlier"),
    [([], "20260102T030405Z"), (["--against", "20260103T000000Z"], "20260103T000000Z")],
)
def test_matrix_shows_what_changed(worse: Path, arguments: list[str], earlier: str) -> None:
    assert main(["--out", str(worse), "matrix", *arguments, "20260103T000000Z"]) == 0
    assert json.loads((worse / "20260103T000000Z" / "matrix.json").read_text())["earlier"] == earlier


def test_kcidb_has_the_callers_builds(out: Path) -> None:
    arguments = ["kcidb", "--origin", "redhat", "--build", "7.2=redhat:1", "--build", "6.12=redhat:2"]
    assert main(["--out", str(out), *arguments]) == 0
    values = json.loads((out / "latest" / "kcidb.json").read_text())
    assert {test["build_id"] for test in values["tests"]} == {"redhat:1", "redhat:2"}
    assert (values["checkouts"], values["builds"]) == ([], [])


def test_what_was_left_out_is_said(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (out / "latest" / "results.jsonl").open("a") as file:
        file.write('{"kernel": "6.1')
    assert main(["--out", str(out), "summary"]) == 0
    assert capsys.readouterr().err == "20260102T030405Z/results.jsonl: line 14 left out: cut off\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["junit", "nowhere"], "reports: no run nowhere: neither "),
        (["summary", "20260101T000000Z"], "reports: the run "),
        (["summary", "/nonexistent"], "reports: no run /nonexistent: it holds no results.jsonl\n"),
        (["diff", "latest", "nowhere"], "reports: no run nowhere: neither "),
        (["diff", "latest", "nowhere:6.12"], "reports: no run nowhere: neither "),
        (["diff", "latest", "latest:6.1"], "reports: latest:6.1: the run has no kernel 6.1, but 6.12 7.2"),
        (
            ["merge", "latest", "--rename", "latest:6.1=x"],
            "reports: --rename latest:6.1=x: say RUN:KERNEL=NAME",
        ),
        (["kcidb", "--origin", "Red Hat"], "reports: 'Red Hat': an origin is made of"),
        (["kcidb", "--build", "nonsense"], "reports: nonsense: a build is named KERNEL=ORIGIN:ID"),
        (["kcidb", "--build", "9.9=a:b"], "reports: --build 9.9=...: the run has no such kernel"),
        (["trace", "--check", "latest"], "reports: trace --check looks at no run; leave out latest"),
        (["kcidb", "--build", "6.12=x"], "reports: 6.12=x: a build is named KERNEL=ORIGIN:ID"),
        (["diff", "latest"], "usage: "),
        (["paint"], "usage: "),
        (["junit", "a", "b"], "usage: "),
    ],
)
def test_mistakes_are_told_in_a_line(out: Path, arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "reports", "--out", str(out), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(said)
    assert "Traceback" not in run.stderr


def test_a_full_disk_is_told_in_a_line(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(GOLDEN / "results.jsonl", tiny)
    (tiny / "filler").write_bytes(b"x" * 56_000)
    assert main(["junit", str(tiny)]) == 2
    assert capsys.readouterr().err == "reports: No space left on device\n"


def test_before_any_run_the_way_to_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "summary"]) == 2
    assert capsys.readouterr().err == f"reports: no runs in {tmp_path} yet; to make one: tox -e vm-6.12\n"


def test_where_no_run_is_the_latest_one_is_to_be_named(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "latest").unlink()
    assert main(["--out", str(out), "summary"]) == 2
    assert capsys.readouterr().err == f"reports: no run in {out} is the latest; name one\n"


def test_that_nothing_failed_is_said(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = '{"format": 1, "kernel": "6.12", "test": "a.py::test_a", "status": "pass"}\n'
    (out / "latest" / "results.jsonl").write_text(line)
    assert main(["--out", str(out), "failed"]) == 0
    assert capsys.readouterr().err == f"no failed tests; {NO_MANIFEST}\n"


def test_trace(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(out), "trace"]) == 0
    assert re.match(f"{NO_MANIFEST}\nbehaviour +kind +6.12 +7.2 +source; tests\n", capsys.readouterr().out)
    assert main(["--out", str(out), "trace", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith(
        f"**{NO_MANIFEST}**\n\n| behaviour | kind | source | tests | 6.12 | 7.2 |\n"
    )


def test_without_a_command_the_runs_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_without_node_the_reason_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    line = b'{"format": 1, "kernel": "6.12", "test": "a.py::test_a", "status": "pass"}\n'
    (tmp_path / "run" / "results.jsonl").write_bytes(line)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["--out", str(tmp_path), "allure", "--html", "run"]) == 2
    assert capsys.readouterr().err == "reports: npx is missing: install Node.js 20 or newer with npm\n"


def test_the_page_says_of_which_tests_it_is(worse: Path) -> None:
    (worse / "latest" / FILE).write_bytes(dump(Manifest(suite=Suite("0123456789abcdef", changed=True))))
    assert main(["--out", str(worse), "matrix"]) == 0
    for name in ("matrix.html", "matrix.md", "matrix.json"):
        assert "commit 0123456789ab, changed" in (worse / "latest" / name).read_text()
