# SPDX-License-Identifier: GPL-2.0-or-later
"""Declarations are marks that fixtures can have too, and pytest still tells which fixtures a test uses."""

import pytest

from helpers.declarations import Declaration, declaration, declared

pytest_plugins = ["pytester"]


def test_declaration_is_a_mark_with_functions_among_its_arguments() -> None:
    made = declaration("usefixtures", len, of=print)
    assert isinstance(made, Declaration)
    assert (made.name, made.args, made.kwargs) == ("usefixtures", (len,), {"of": print})


def test_fixtures_of_a_test_are_known(pytester: pytest.Pytester) -> None:
    """If this fails with another pytest: helpers.declarations asks it for what it keeps to itself."""
    items, _ = pytester.inline_genitems(
        pytester.makepyfile("""
import pytest
from helpers.declarations import declaration
def declare(*args): return declaration("usefixtures", *args)
@pytest.fixture(autouse=True)
@declare("everywhere")
def everywhere(): pass
@pytest.fixture
@declare("inner")
@declare("inner again")
def inner(): pass
@pytest.fixture
def outer(inner): pass
@pytest.fixture
@declare("not used")
def other(): pass
@declare("test")
def test_it(outer): pass
""")
    )
    (item,) = items
    assert isinstance(item, pytest.Function)
    said = [mark.args[0] for mark in declared(item, "usefixtures")]
    assert said == ["test", "everywhere", "inner", "inner again"]
