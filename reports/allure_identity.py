# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin: sends, with a test's setup report, what allure-pytest will write when the test has ended.

When the VM is lost that would be lost with it, and without the same ids and labels the result that the host
writes instead would be a different test to Allure. In allure-pytest 2.16 these fields are filled in by
pytest_runtest_setup and pytest_runtest_teardown of listener.py.
"""

import json
from collections.abc import Generator
from typing import Any

import pytest
from allure_commons.model2 import Label, Link, Parameter
from allure_commons.types import LabelType
from allure_commons.utils import (
    host_tag,
    md5,
    platform_label,
    represent,
    thread_tag,
)
from allure_pytest import utils
from attr import asdict

from helpers.contract.properties import Property


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the property `allure` to the report of the setup."""
    report = yield
    if call.when == "setup":
        report.user_properties.append((Property.ALLURE, json.dumps(identity(item))))
    return report


def identity(item: pytest.Item) -> dict[str, Any]:
    """Return those fields of an Allure result that are settled before the test runs."""
    values = item.callspec.params if hasattr(item, "callspec") else {}
    param_id = item.callspec.id if hasattr(item, "callspec") else None
    name = utils.allure_full_name(item)
    parameters = _parameters(item, values)
    return {
        "name": utils.allure_name(item, values, param_id),
        "fullName": name,
        "titlePath": utils.allure_title_path(item),
        "testCaseId": md5(name),
        "historyId": utils.get_history_id(name, parameters, original_values=values),
        "description": utils.allure_description(item),
        "descriptionHtml": utils.allure_description_html(item),
        "parameters": [asdict(parameter) for parameter in parameters],
        "labels": [asdict(Label(*label)) for label in _labels(item)],
        "links": [asdict(Link(*link)) for link in utils.allure_links(item)],
    }


def _parameters(item: pytest.Item, values: dict[str, object]) -> list[Any]:
    kernel = {name: value for name, value in item.user_properties if name == Property.KERNEL}
    return [Parameter(name=name, value=represent(value)) for name, value in {**kernel, **values}.items()]


def _labels(item: pytest.Item) -> list[tuple[str, str]]:
    return [
        *sorted(utils.allure_labels(item)),
        *((LabelType.TAG, mark) for mark in utils.pytest_markers(item)),
        *utils.allure_suite_labels(item),
        (LabelType.HOST, host_tag()),
        (LabelType.THREAD, thread_tag()),
        (LabelType.FRAMEWORK, "pytest"),
        (LabelType.LANGUAGE, platform_label()),
        ("package", utils.allure_package(item)),
    ]
