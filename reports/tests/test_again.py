# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest

from helpers.contract.results import NO_BOOT, Result
from helpers.contract.status import Status
from reports import again


def result(kernel: str, test: str = "a.py::x", status: Status = Status.FAIL) -> Result:
    return Result(kernel, "", "", test, [], status)


@pytest.mark.parametrize(
    ("failed", "asked", "command"),
    [
        (["6.12"], ["6.12"], "tox -e vm-6.12 -- @f.txt"),
        (["ref-6.12-debug"], ["ref-6.12-debug"], "tox -e vm-ref-6.12-debug -- @f.txt"),
        (["6.12"], ["6.1", "6.12", "7.2"], "tox -e vm-6.12 -- @f.txt"),
        (["7.2", "6.1"], ["6.1", "6.12", "7.2"], "tox -e matrix -- --kernel 6.1 --kernel 7.2 @f.txt"),
        (["mine"], ["/a b/linux"], "tox -e matrix -- --kernel '/a b/linux' @f.txt"),
        (["host"], [], "tox -e host -- --on-this-machine @f.txt"),
        ([], ["6.12"], ""),
    ],
    ids=["one", "reference", "one of many", "some", "path", "this machine", "none"],
)
def test_the_command(failed: list[str], asked: list[str], command: str) -> None:
    results = [*map(result, failed), result("6.12", status=Status.PASS)]
    assert again.command(results, asked, "f.txt") == command


def test_the_file_has_each_test_once_that_can_be_found_again(tmp_path: Path) -> None:
    tests = ["a.py::x", "a.py::x", "a.py::z[a b]", "vm::boot", "a.py::\x1b", "a.py::\n", "a.py::\u2028"]
    again.export([*(result("6.1", test) for test in tests), result("6.1", "a.py::y", Status.PASS)], tmp_path)
    assert (tmp_path / again.FAILED).read_text() == "a.py::x\na.py::z[a b]\n"


def test_a_kernel_that_did_not_boot_has_a_console(tmp_path: Path) -> None:
    (tmp_path / "6.1").mkdir()
    for moment, name in enumerate(("console.log", "console-2.log")):
        (tmp_path / "6.1" / name).touch()
        os.utime(tmp_path / "6.1" / name, (moment, moment))
    results = [
        result("6.1", NO_BOOT, Status.LOST),
        result("7.2", NO_BOOT, Status.LOST),
        result("6.12"),
    ]
    assert again.consoles(results, tmp_path) == [("6.1", tmp_path / "6.1" / "console-2.log")]
    assert again.command(results[:2], ["6.1", "7.2"], "f.txt") == ""
