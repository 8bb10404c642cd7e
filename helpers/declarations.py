# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test declares in a mark: on its function, on a row of its parameters, on its module, or on a fixture.

    @declaration            def test_it(): ...
    pytestmark = declaration
    pytest.param(FAN_RENAME, marks=declaration)

    @pytest.fixture
    @declaration            def renamed(): ...

pytest refuses marks on fixtures. Of a fixture, the declaration holds for each test that uses it.
"""

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest

_ATTRIBUTE = "_declared"


class Declaration(pytest.MarkDecorator):
    """A mark which functions have in an attribute of ours, so that fixtures can have it too."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Leave the mark on a function; classes have it as any other mark."""
        match args:
            case [FunctionType() as function] if not keywords:
                setattr(function, _ATTRIBUTE, [self.mark, *_left_on(function)])
                return function
        return super().__call__(*args, **keywords)


def declaration(name: str, *args: object, **keywords: object) -> Declaration:
    """Return a mark of this name and these arguments, of which each may be a function of a test's parameters."""
    mark = getattr(pytest.mark, name).with_args(*args, **keywords).mark
    return Declaration(mark, _ispytest=True)


def declared(item: pytest.Function, name: str) -> Iterator[pytest.Mark]:
    """Yield the marks of this name that concern a test: its own, its module's, and those of the fixtures it uses."""
    yield from (mark for mark in _left_on(item.function) if mark.name == name)
    yield from item.iter_markers(name)
    for function in _fixtures(item):
        yield from (mark for mark in _left_on(function) if mark.name == name)


def evaluated(value: object, item: pytest.Function) -> Any:
    """Return a value, or what a function makes of those parameters of the test that its arguments are called by.

    Raises pytest.Collector.CollectError where the test has no such parameter.
    """
    if not isinstance(value, FunctionType):
        return value
    given = item.callspec.params if hasattr(item, "callspec") else {}
    names = list(inspect.signature(value).parameters)
    if missing := [name for name in names if name not in given]:
        raise pytest.Collector.CollectError(
            f"{item.nodeid}: what it declares depends on {missing[0]}, which is none of its parameters"
        )
    return value(**{name: given[name] for name in names})


def _left_on(function: object) -> list[pytest.Mark]:
    return getattr(function, _ATTRIBUTE, [])


def _fixtures(item: pytest.Function) -> Iterator[Callable[..., object]]:
    """Yield the functions of the fixtures that a test uses, of which pytest tells the names alone.

    An overridden fixture is used where the one that overrides it asks for it.
    """
    known = item._fixtureinfo  # noqa: SLF001 - helpers/tests/test_declarations.py fails if another pytest has none
    for name in known.names_closure:
        for definition in reversed(known.name2fixturedefs.get(name, ())):
            yield definition.func
            if name not in definition.argnames:
                break
