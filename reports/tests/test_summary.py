# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

from helpers.contract.results import Reason, Result, read
from helpers.contract.status import Status
from reports.summary import kernel_line, result_rows, summary
from reports.tests.test_formats import CATALOGUE

GOLDEN = Path(__file__).parent / "golden"


def test_summary() -> None:
    results = read(GOLDEN / "results.jsonl").results
    text = "".join(f"{line.colour:<6}|{line.text}\n" for line in summary(results, known=CATALOGUE))
    assert text == (GOLDEN / "summary.txt").read_text()


def test_a_reason_to_skip_is_said_once() -> None:
    def skip(kernel: str, test: str, text: str) -> Result:
        return Result(kernel, "", "", test, [], Status.SKIP, Reason("kconfig", text))

    results = [
        skip("6.12", "x", "no A"),
        skip("6.1", "x", "no A"),
        skip("6.1", "y", "no A"),
        skip("6.1", "z", "no B"),
    ]
    assert [line.text for line in summary(results)][:3] == [
        "skipped on 6.1 6.12: kconfig: no A (2 tests)",
        "skipped on 6.1: kconfig: no B (1 test)",
        "",
    ]


def test_new_features_are_said() -> None:
    found = [Result("6.1", "", "", test, [], Status.PASS, new_features=["RENAME"]) for test in "xy"]
    assert summary(found)[0].text == "new on 6.1, which its baseline does not know: RENAME"


def test_the_line_of_a_kernel() -> None:
    results = [Result("6.1", "", "", test, [], status) for test, status in zip("xyz", Status, strict=False)]
    assert kernel_line("6.1", results, 5) == ("6.1    done   3 tests: 1 xfail, 1 skip, 1 pass", "green")
    assert kernel_line("6.1", [Result("6.1", "", "", "x", [], Status.HANG)]).colour == "red"


def test_no_results() -> None:
    assert [line.text for line in summary([])] == ["no results"]


def test_a_failure_is_said_once_for_all_kernels_on_which_it_is_the_same() -> None:
    def fail(kernel: str, message: str) -> Result:
        return Result(kernel, "", "", "a.py::x", [], Status.FAIL, message=message)

    results = [fail("7.2", "got 0"), fail("6.1", "got 0"), fail("6.12", "got 1")]
    assert [line.text for line in summary(results)][:2] == [
        "fail   a.py::x on 6.1 7.2: got 0",
        "fail   a.py::x on 6.12: got 1",
    ]


def test_the_table_fits_into_a_terminal() -> None:
    results = read(GOLDEN / "results.jsonl").results
    table = [line.text for line in summary(results, columns=80)[-3:]]
    assert all(len(row) <= 80 for row in table)
    assert [row.split()[-1] for row in table] == ["tests", "5", "6"]


def test_a_row_of_a_terminal_ends_at_its_edge() -> None:
    result = Result("6.1", "", "", f"suites/a.py::x[{'/' * 100}]", [], Status.FAIL, message="wrong " * 100)
    rows = result_rows(result, width=4, columns=80)
    assert [len(row.text) for row in rows] == [79, 79]
    assert rows[0].text.startswith("6.1   fail   a.py::x[///")
    assert rows[1].text.startswith("             wrong wrong")
