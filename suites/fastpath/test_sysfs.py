# SPDX-License-Identifier: GPL-2.0-or-later
"""sysfs tells which handlers there are."""

import stat

import pytest

from helpers import kernel_modules
from helpers.children import in_child
from helpers.credentials import unprivileged
from helpers.fastpath import directory

FILES = ["desc", "flags", "init_args"]


def names(table):
    return [table.verdict, table.skip_all, table.subtree]


@pytest.mark.behaviour("FP-03")
def test_handlers(handlers):
    assert set(names(handlers)) <= {entry.name for entry in directory().iterdir()}


@pytest.mark.behaviour("FP-03")
def test_handler_of_a_module_that_is_unloaded(handlers):
    there = directory() / handlers.skip_all
    assert there.exists()
    kernel_modules.unload(handlers.skip_all_module)
    assert not there.exists()


@pytest.mark.behaviour("FP-04")
def test_files(handlers):
    for name in names(handlers):
        assert sorted(file.name for file in (directory() / name).iterdir()) == FILES


@pytest.mark.behaviour("FP-04")
@pytest.mark.parametrize("name", FILES)
def test_file(handlers, name):
    for handler in names(handlers):
        file = directory() / handler / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o444
        assert in_child(file.read_text, unprivileged).endswith("\n")


@pytest.mark.behaviour("FP-05")
def test_flags(handlers):
    told = {name: (directory() / name / "flags").read_text() for name in names(handlers)}
    for_administrators = "SYS_ADMIN_ONLY\n"
    assert told == {
        handlers.verdict: for_administrators,
        handlers.skip_all: "\n",
        handlers.subtree: for_administrators,
    }


@pytest.mark.behaviour("FP-05")
@pytest.mark.parametrize("name", ["desc", "init_args"])
def test_description(handlers, name):
    for handler in names(handlers):
        assert (directory() / handler / name).read_text().strip()
