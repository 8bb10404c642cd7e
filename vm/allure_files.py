# SPDX-License-Identifier: GPL-2.0-or-later
"""What allure-pytest writes in a guest: straight into the outbox, without files on the way.

allure-pytest's own way, files of JSON written by the standard library's Python encoder, takes as long as a test does.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import allure_commons
import pytest
from allure_commons.model2 import Globals, TestResult, TestResultContainer
from allure_pytest.listener import AllureListener

from vm.outbox import Outbox

DIRECTORY = "allure-results"


def write_into(outbox: Outbox, config: pytest.Config) -> None:
    """Have allure-pytest report into `outbox`: what its plugin.py does when it is given a directory."""
    listener = Listener(config)
    config.pluginmanager.register(listener, "allure_listener")
    for plugin in (listener, AllureFiles(outbox)):
        allure_commons.plugin_manager.register(plugin)
        config.add_cleanup(partial(allure_commons.plugin_manager.unregister, plugin))


class Listener(AllureListener):  # type: ignore[misc]
    """allure-pytest's listener, but for the parameters of a test, which pytest sets up like fixtures.

    allure-pytest times each and writes a container for it that belongs to no test, so that no report shows it.
    """

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, None]:
        """Report how a fixture is set up."""
        if is_parameter(fixturedef):
            yield
        else:
            yield from super().pytest_fixture_setup(fixturedef, request)


def is_parameter(fixturedef: pytest.FixtureDef[Any]) -> bool:
    """Whether this is what pytest makes of a test's parameter (_pytest/python.py, get_direct_param_fixture_func)."""
    return fixturedef.func.__module__ == "_pytest.python"


class AllureFiles:
    """Takes the place of allure_commons' AllureFileLogger: Allure's hooks that have to do with files."""

    def __init__(self, outbox: Outbox) -> None:
        """Put files into `outbox`."""
        self._outbox = outbox

    def _put(self, name: str, content: bytes) -> None:
        self._outbox.put(f"{DIRECTORY}/{name}", content)

    def _put_item(self, item: TestResult | TestResultContainer | Globals) -> None:
        self._put(item.file_pattern.format(prefix=uuid.uuid4()), json.dumps(item, default=_fields).encode())

    @allure_commons.hookimpl
    def report_result(self, result: TestResult) -> None:
        """Put in the result of a test."""
        self._put_item(result)

    @allure_commons.hookimpl
    def report_container(self, container: TestResultContainer) -> None:
        """Put in how a fixture was set up and torn down."""
        self._put_item(container)

    @allure_commons.hookimpl
    def report_globals(self, globals_item: Globals) -> None:
        """Put in what belongs to no test."""
        self._put_item(globals_item)

    @allure_commons.hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        """Put in a file that a test attaches."""
        self._put(file_name, Path(source).read_bytes())

    @allure_commons.hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """Put in a text or bytes that a test attaches."""
        self._put(file_name, body.encode(errors="replace") if isinstance(body, str) else body)


def _fields(item: Any) -> dict[str, Any]:
    """Return those fields of an object of Allure's model that say something."""
    return {name: value for name, value in vars(item).items() if value or value is False}
