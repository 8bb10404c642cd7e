# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin where tests run: what a test marks for Allure, with allure-pytest's decorators and functions.

Steps, attachments, titles, descriptions, labels, links and parameters go with the report of the test's last phase, as
one object in JSON whose fields are those of Allure's results; an attachment has its content with it. Most tests mark
nothing and send nothing.
"""

import base64
import json
import time
from collections.abc import Generator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import allure_commons
import pytest
from allure_commons.types import AttachmentType
from allure_commons.utils import represent
from allure_pytest import utils

from helpers.contract.properties import Property

ROOM = 150_000
"""Characters that all attachments of a test may have together, as they are sent."""

MOST_STEPS = 500
"""Steps of one test that are kept."""


class Marks:
    """Listens to allure_commons, whose functions tests call, and to pytest."""

    def __init__(self, config: pytest.Config) -> None:
        """Nothing is marked yet."""
        self._config = config
        self._begin()

    def _begin(self) -> None:
        self._found: dict[str, Any] = {}
        self._open: list[dict[str, Any]] = [self._found]
        self._room = ROOM
        self._steps = 0

    def _add(self, field: str, value: dict[str, Any]) -> None:
        self._open[-1].setdefault(field, []).append(value)

    # ---- what tests call ----

    @allure_commons.hookimpl
    def start_step(self, title: str, params: Mapping[str, str]) -> None:
        """Begin a step within the step that is open."""
        step = {"name": title, "start": _now()}
        if params:
            step["parameters"] = [{"name": name, "value": value} for name, value in params.items()]
        self._steps += 1
        if self._steps <= MOST_STEPS:
            self._add("steps", step)
        self._open.append(step)

    @allure_commons.hookimpl
    def stop_step(self, exc_type: type[BaseException] | None, exc_val: BaseException | None) -> None:
        """End the step that is open."""
        if len(self._open) > 1:
            step = self._open.pop()
            step |= {"stop": _now(), "status": utils.get_status(exc_val)}
            if exc_val is not None and exc_type is not None:
                step["message"] = f"{exc_type.__name__}: {exc_val}"[:ROOM]

    @allure_commons.hookimpl
    def attach_data(self, body: str | bytes, name: str | None, attachment_type: Any, extension: Any) -> None:
        """Keep a text or bytes."""
        kind = attachment_type if isinstance(attachment_type, AttachmentType) else None
        told = {
            "name": str(name or "attachment"),
            "type": kind.mime_type if kind else str(attachment_type or ""),
            "extension": str(extension or (kind.extension if kind else "attach")),
        }
        self._add("attachments", {**told, **self._content(body)})

    @allure_commons.hookimpl
    def attach_file(self, source: str, name: str | None, attachment_type: Any, extension: Any) -> None:
        """Keep a file."""
        self.attach_data(Path(source).read_bytes(), name or Path(source).name, attachment_type, extension)

    def _content(self, body: str | bytes) -> dict[str, str]:
        content = {"text": body} if isinstance(body, str) else {"base64": base64.b64encode(body).decode()}
        ((kind, text),) = content.items()
        if len(text) > self._room:
            return {"text": f"left out: {len(body)} bytes, and a test may attach about {ROOM}"}
        self._room -= len(text)
        return {kind: text}

    @allure_commons.hookimpl
    def add_title(self, test_title: str) -> None:
        """Call the test otherwise."""
        self._found["name"] = str(test_title)

    @allure_commons.hookimpl
    def add_description(self, test_description: str) -> None:
        """Describe the test."""
        self._found["description"] = str(test_description)

    @allure_commons.hookimpl
    def add_description_html(self, test_description_html: str) -> None:
        """Describe the test in HTML."""
        self._found["descriptionHtml"] = str(test_description_html)

    @allure_commons.hookimpl
    def add_label(self, label_type: Any, labels: tuple[Any, ...]) -> None:
        """Label the test."""
        for label in labels:
            self._label(label_type, label)

    def _label(self, kind: Any, value: Any) -> None:
        self._found.setdefault("labels", []).append({"name": _word(kind), "value": _word(value)})

    @allure_commons.hookimpl
    def add_link(self, url: str, link_type: Any, name: str | None) -> None:
        """Link the test with something."""
        self._link(link_type, utils.format_allure_link(self._config, url, link_type), name)

    def _link(self, kind: Any, url: str, name: str | None) -> None:
        link = {"type": _word(kind), "url": str(url), "name": str(name or url)}
        self._found.setdefault("links", []).append(link)

    @allure_commons.hookimpl
    def add_parameter(self, name: str, value: Any) -> None:
        """Give the test a parameter more."""
        self._found.setdefault("parameters", []).append({"name": str(name), "value": represent(value)})

    # ---- when ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """Begin with another test."""
        self._begin()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what the decorators say with the first report: the VM may be lost. All goes with the last."""
        report = yield
        if call.when == "setup":
            self._decorated(item)
        if self._found and call.when in ("setup", "teardown"):
            report.user_properties.append((Property.ALLURE, json.dumps(self._found)))
        return report

    def _decorated(self, item: pytest.Item) -> None:
        if title := utils.allure_title(item):
            values = (
                item.callspec.params
                if isinstance(item, pytest.Function) and hasattr(item, "callspec")
                else {}
            )
            self._found.setdefault("name", utils.allure_name(item, values) if values else title)
        marks = {mark.name for mark in item.iter_markers()}
        if utils.ALLURE_DESCRIPTION_MARK in marks:
            self._found.setdefault("description", str(utils.allure_description(item)))
        if utils.ALLURE_DESCRIPTION_HTML_MARK in marks:
            self._found.setdefault("descriptionHtml", str(utils.allure_description_html(item)))
        for kind, value in sorted(utils.allure_labels(item), key=str):
            self._label(kind, value)
        for kind, url, name in utils.allure_links(item):
            self._link(kind, url, name)
        for name in utils.pytest_markers(item):
            self._label("tag", name)


def _word(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def _now() -> int:
    return round(time.time() * 1000)


def pytest_configure(config: pytest.Config) -> None:
    """Listen to both."""
    marks = Marks(config)
    config.pluginmanager.register(marks, "allure-marks")
    allure_commons.plugin_manager.register(marks)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(marks))
