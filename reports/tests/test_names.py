# SPDX-License-Identifier: GPL-2.0-or-later
import re

import pytest
from kcidb_io.schema import LATEST

from helpers.contract.results import Result
from helpers.contract.status import Status
from reports.names import paths, rerun, split


@pytest.mark.parametrize(
    ("test", "classname", "name"),
    [
        ("suites/a.py::test_x", "suites.a", "test_x"),
        ("suites/a.py::Test::test_x[b::c/d.py]", "suites.a.Test", "test_x[b::c/d.py]"),
        ("vm::boot", "vm", "boot"),
        ("suites/a.py", "suites", "a.py"),
    ],
)
def test_split(test: str, classname: str, name: str) -> None:
    assert split(test) == (classname, name)


@pytest.mark.parametrize(
    ("test", "path"),
    [
        ("suites/fanotify_init/test_flags.py::test_x", "fanotify_init.test_flags.test_x"),
        ("suites/a/test_b.py::Test::test_x[A|B-EINVAL]", "a.test_b.Test.test_x.A_B-EINVAL"),
        ("suites/a/test_b.py::test_x[]", "a.test_b.test_x"),
        ("suites/a/test_b.py", "a.test_b_py"),
        ("vm::boot", "vm.boot"),
        ("\u00e9 [\x00]", "_._"),
        ("", "_"),
    ],
)
def test_path(test: str, path: str) -> None:
    assert paths([test]) == {test: path}


def test_paths_are_unique_and_legal() -> None:
    tests = [
        f"suites/a.py::test_x[{text}]" for text in ("a|b", "a_b", "a b", "a\n\x1bb", "c", "..", "", "\udcff")
    ]
    found = paths(tests)
    assert len(set(found.values())) == len(tests)
    assert all(re.fullmatch(LATEST.json["$defs"]["path"]["pattern"], path) for path in found.values())
    assert found["suites/a.py::test_x[c]"] == "a.test_x.c"


@pytest.mark.parametrize(
    ("kernel", "accel", "test", "command"),
    [
        ("7.2", "tcg", "suites/a.py::test_x", "tox -e vm-7.2 -- suites/a.py::test_x"),
        ("7.2", "tcg", "suites/a.py::test_x[A|B c]", "tox -e vm-7.2 -- 'suites/a.py::test_x[A|B c]'"),
        ("7.2", "kvm", "vm::boot", "tox -e vm-7.2"),
        ("6.12.3-mine", "kvm", "a.py::x", "tox -e vm-custom -- --kernel PATH a.py::x"),
        ("host", "none", "a.py::x", "tox -e host -- --on-this-machine a.py::x"),
    ],
)
def test_rerun(kernel: str, accel: str, test: str, command: str) -> None:
    assert rerun(Result(kernel, "", accel, test, [], Status.FAIL)) == command
