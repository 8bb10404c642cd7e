# SPDX-License-Identifier: GPL-2.0-or-later
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.contract.results import Journal, Reason, Result, dump, read, write
from helpers.contract.status import VM_GONE, VOCABULARY, Status

PLAIN = Result("6.12", "6.12.57-amd64", "tcg", "suites/a.py::test_x", ["MARK-1"], Status.PASS, duration=0.25)
FULL = Result(
    "7.2",
    "7.2.0-amd64",
    "kvm",
    "suites/a.py::test_y[ext4]",
    ["MARK-1", "EVENT-2"],
    Status.PANIC,
    Reason("known-issue", "bug 7"),
    "oops\nand more",
    1.5,
    "2026-01-02T03:04:05.678+00:00",
    ["MARK-9"],
    "Kernel panic\x00\udcff",
    {"fullName": "suites.a#test_y"},
)


def test_every_status_is_translated() -> None:
    assert list(VOCABULARY) == list(Status)


@pytest.mark.parametrize(
    ("status", "junit", "allure", "ktap", "kcidb"),
    [
        ("pass", None, "passed", "ok", "PASS"),
        ("fail", "failure", "failed", "not ok", "FAIL"),
        ("error", "error", "broken", "not ok # ERROR", "ERROR"),
        ("skip", "skipped", "skipped", "ok # SKIP", "SKIP"),
        ("xfail", "skipped", "skipped", "ok # XFAIL", "FAIL"),
        ("xpass", "failure", "failed", "not ok", "PASS"),
        ("panic", "error", "broken", "not ok", "FAIL"),
        ("hang", "error", "broken", "not ok # TIMEOUT", "MISS"),
        ("lost", "error", "broken", "not ok # ERROR", "MISS"),
    ],
)
def test_translation(status: str, junit: str | None, allure: str, ktap: str, kcidb: str) -> None:
    words = VOCABULARY[Status(status)]
    assert (words.junit, words.allure, words.ktap, words.kcidb) == (junit, allure, ktap, kcidb)


def test_worse_statuses_come_later() -> None:
    order = list(Status)
    assert order.index(Status.ERROR) < order.index(Status.FAIL) < min(map(order.index, VM_GONE))


def test_stored_form() -> None:
    assert json.loads(dump(PLAIN)) == {
        "format": 1,
        "kernel": "6.12",
        "release": "6.12.57-amd64",
        "accel": "tcg",
        "test": "suites/a.py::test_x",
        "behaviours": ["MARK-1"],
        "status": "pass",
        "reason": None,
        "message": "",
        "duration": 0.25,
        "started": "",
    }


@pytest.mark.parametrize("result", [PLAIN, FULL], ids=["plain", "full"])
def test_what_is_written_can_be_read(tmp_path: Path, result: Result) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(dump(result))
    assert read(path) == ([result], [])
    assert dump(result).count(b"\n") == 1


def _line(**changes: object) -> bytes:
    values = json.loads(dump(PLAIN)) | changes
    return json.dumps({name: value for name, value in values.items() if value is not ...}).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (dump(PLAIN)[:40], "line 2 left out: cut off"),
        (b"}\n", "line 2 left out: not JSON"),
        (b"\xff\xfe\x00\n", "line 2 left out: not JSON"),
        (b"[" * 100_000 + b"\n", "line 2 left out: not JSON"),
        (b"[]\n", "line 2 left out: not an object"),
        (_line(kernel=...), "line 2 left out: no kernel"),
        (_line(test=...), "line 2 left out: no test"),
        (_line(status=...), "line 2 left out: no status"),
        (_line(status="flaky"), "line 2 left out: unknown status 'flaky'"),
        (_line(status=["pass"]), "line 2 left out: status is ['pass']"),
        (_line(kernel=612), "line 2 left out: kernel is 612"),
        (_line(duration="1 s"), "line 2 left out: duration is '1 s'"),
        (_line(duration=float("nan")), "line 2 left out: not JSON"),
        (_line(behaviours="MARK-1"), "line 2 left out: behaviours is 'MARK-1'"),
        (_line(reason="because"), "line 2 left out: reason is 'because'"),
    ],
    ids=lambda value: value.rpartition(": ")[2] if isinstance(value, str) else "",
)
def test_a_bad_line_costs_itself_alone(tmp_path: Path, line: bytes, note: str) -> None:
    path = tmp_path / "results.jsonl"
    after = b"" if note.endswith("cut off") else b"\n" + dump(FULL)
    path.write_bytes(dump(PLAIN) + line + after)
    results, left_out = read(path)
    assert results == ([PLAIN, FULL] if after else [PLAIN])
    assert left_out == [note]


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (_line(flavour="sweet"), "unknown key 'flavour' ignored (1 lines)"),
        (_line(format=2), "format 2 read as format 1 (1 lines)"),
        (_line(format=...), "format None read as format 1 (1 lines)"),
    ],
    ids=["key", "newer", "none"],
)
def test_a_newer_line_is_read_as_far_as_it_is_known(tmp_path: Path, line: bytes, note: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(line)
    assert read(path) == ([PLAIN], [note])


def test_what_a_line_need_not_say(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"format": 1, "kernel": "6.1", "test": "a.py::b", "status": "skip"}')
    assert read(path) == ([Result("6.1", "", "", "a.py::b", [], Status.SKIP)], [])


def test_megabytes_of_garbage_make_few_notes(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"\x00\x1b\n" * 100_000 + _line(message="\x00" * 3_000_000))
    results, left_out = read(path)
    assert len(results[0].message) == 3_000_000
    assert len(left_out) == 11
    assert left_out[-1] == "99990 more lines left out"


def test_the_later_result_of_a_test_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(_line() + _line(status="panic"))
    assert [result.status for result in read(path).results] == [Status.PANIC]


# ---- the journal ----


@contextmanager
def _files_no_larger_than(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_each_result_is_in_the_file_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "results.jsonl", pytest.fail)
    for count, result in enumerate([PLAIN, FULL], start=1):
        journal.add(result)
        assert len(read(journal.path).results) == count
    journal.close()


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        Journal(path, pytest.fail)
    assert path.read_text() == "precious"


def test_what_could_not_be_written_is_written_when_it_can(tmp_path: Path) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "results.jsonl", said.append)
    with _files_no_larger_than(len(dump(PLAIN)) + 100):
        journal.add(PLAIN)
        journal.add(FULL)
        assert read(journal.path) == ([PLAIN], [])
    assert journal.close() == ""
    assert read(journal.path) == ([PLAIN, FULL], [])
    assert said == [
        f"cannot write {journal.path}: File too large; the run goes on, its results stay in memory"
    ]


def test_what_was_never_written_is_told_and_kept(tmp_path: Path) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "results.jsonl", said.append)
    journal.add(PLAIN)
    journal._file.close()
    with (tmp_path / "results.jsonl").open("rb") as read_only:
        journal._file = read_only  # type: ignore[assignment]
        journal.add(FULL)
        left = journal.close()
    assert left.startswith(f"1 of 2 results are not in {journal.path}")
    write(tmp_path / "elsewhere.jsonl", journal.results)
    assert read(tmp_path / "elsewhere.jsonl") == ([PLAIN, FULL], [])
    assert journal.results == [PLAIN, FULL]
    assert len(said) == 1
