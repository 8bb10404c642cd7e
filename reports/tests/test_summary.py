# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

from reports.results import read
from reports.summary import summary

GOLDEN = Path(__file__).parent / "golden"


def test_summary() -> None:
    results = read(GOLDEN / "results.jsonl").results
    text = "".join(f"{line.colour:<6}|{line.text}\n" for line in summary(results))
    assert text == (GOLDEN / "summary.txt").read_text()


def test_no_results() -> None:
    assert [line.text for line in summary([])] == ["no results"]
