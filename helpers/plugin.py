# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room: tests name the behaviours they verify, and skip only for a typed reason."""

import functools
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from helpers import features, proposals
from helpers.contract import behaviours, known_issues
from helpers.contract.properties import Property
from helpers.filesystems import FILESYSTEMS
from helpers.skips import TypedSkip

pytest_plugins = ["helpers.fixtures"]

_SUITES = "suites"
_FILESYSTEM_PARAMETERS = ("filesystem", "disk_dir")
_ALLURE_LABELS = ("severities", "epics", "features", "stories", "ids", "labels")
"""What allure-pytest selects tests by; the options of that name."""
_CATALOGUE = pytest.StashKey[dict[str, behaviours.Behaviour]]()


class UntypedSkip(Exception):  # noqa: N818 - what it is
    """A test of the suites skipped without a typed reason: a mistake in the test."""


class NotRootError(Exception):
    """The suites ask the kernel for what only root gets."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this room."""
    group = parser.getgroup("suites")
    group.addoption(
        "--filesystem",
        action="append",
        default=[],
        choices=FILESYSTEMS,
        help="of the tests that run on each filesystem in turn, only those on this one; may be repeated",
    )
    group.addoption(
        "--interface",
        metavar="FILE",
        help="names and numbers of interfaces that are only proposed: a file with keys of helpers/proposals.toml",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and choose the names and numbers of proposed interfaces."""
    config.addinivalue_line("markers", "behaviour(*ids): the documented behaviours which the test verifies")
    proposals.choose(_interface(config))


def _interface(config: pytest.Config) -> proposals.Tables:
    # The controller's file is not there where its workers run.
    if hasattr(config, "workerinput"):
        tables: proposals.Tables = config.workerinput["interface"]
        return tables
    file = config.getoption("interface")
    try:
        return proposals.read(Path(file)) if file else {}
    except proposals.ProposalError as error:
        raise pytest.UsageError(f"--interface {error}") from error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the names and numbers of proposed interfaces along to a worker of pytest-xdist."""
    node.workerinput["interface"] = _interface(node.config)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, object, object]:
    """Give each test of the suites its behaviours, and refuse those that name none or an unknown one."""
    made = yield
    for item in made if isinstance(made, list) else []:
        if isinstance(item, pytest.Function) and _in_suites(item):
            _describe(item, [_known(item, name) for name in _named(item)])
    return made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests on filesystems that --filesystem does not name, and expect the known issues of the kernel."""
    _expect_known_issues(config, items)
    wanted = {*config.getoption("filesystem"), None}
    unwanted = [item for item in items if len(wanted) > 1 and _filesystem(item) not in wanted]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


def _filesystem(item: pytest.Item) -> object:
    parameters = (
        item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    )
    return next((parameters[name] for name in _FILESYSTEM_PARAMETERS if name in parameters), None)


def _expect_known_issues(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that a known defect of this kernel makes fail."""
    try:
        issues = known_issues.load(config.rootpath / _SUITES / known_issues.FILE)
    except known_issues.KnownIssuesError as error:
        raise pytest.UsageError(str(error)) from error
    kernel = os.environ.get("FAPITEST_KERNEL", "")
    for item in items:
        if issue := known_issues.of(issues, item.nodeid, kernel):
            reason = f"{issue.reason} ({issue.link}, seen {issue.date})"
            expected = pytest.mark.xfail(
                reason=reason, raises=AssertionError, strict=True, run=not issue.panics
            )
            item.add_marker(expected)


def _in_suites(node: pytest.Item) -> bool:
    return node.nodeid.startswith(f"{_SUITES}/")


def _named(item: pytest.Item) -> list[str]:
    names = [name for marker in item.iter_markers("behaviour") for name in marker.args]
    if not names:
        raise pytest.Collector.CollectError(f"{item.nodeid} names no behaviour: mark it @behaviour(ID)")
    return list(dict.fromkeys(names))


def _known(item: pytest.Item, name: str) -> behaviours.Behaviour:
    behaviour = _catalogue(item.config).get(name)
    if behaviour is None:
        raise pytest.Collector.CollectError(f"{item.nodeid} names an unknown behaviour: {name}")
    return behaviour


def _catalogue(config: pytest.Config) -> dict[str, behaviours.Behaviour]:
    if _CATALOGUE not in config.stash:
        try:
            config.stash[_CATALOGUE] = behaviours.load(config.rootpath / _SUITES)
        except behaviours.BehaviourError as error:
            raise pytest.Collector.CollectError(str(error)) from error
    return config.stash[_CATALOGUE]


def _describe(item: pytest.Item, verified: Iterable[behaviours.Behaviour]) -> None:
    for behaviour in verified:
        item.user_properties.append((Property.BEHAVIOUR, behaviour.id))
        if _allure_listens(item.config):
            _describe_to_allure(item, behaviour)


def _allure_listens(config: pytest.Config) -> bool:
    """Whether allure-pytest writes a report, or is to select tests by their labels."""
    selecting = any(getattr(config.option, f"allure_{name}", None) for name in _ALLURE_LABELS)
    return selecting or config.pluginmanager.hasplugin("allure_listener")


def _describe_to_allure(item: pytest.Item, behaviour: behaviours.Behaviour) -> None:
    for marker in _allure_markers(behaviour):
        item.add_marker(marker)


@functools.cache
def _allure_markers(behaviour: behaviours.Behaviour) -> list[pytest.MarkDecorator]:
    labels = (("epic", behaviour.epic), ("feature", behaviour.suite), ("story", behaviour.id))
    text = f"{behaviour.id}: {behaviour.statement}\n\nSource: {behaviour.source}"
    return [
        *(pytest.mark.allure_label(value, label_type=kind) for kind, value in labels),
        pytest.mark.allure_description(text),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse to run the suites as anybody but root."""
    if _in_suites(item) and os.geteuid() != 0:
        raise NotRootError("the suites need root: run them in a virtual machine, with --kernel NAME")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what a typed skip says, and which features no baseline knows; let an untyped skip fail."""
    skip = call.excinfo.value if call.excinfo else None
    if isinstance(skip, pytest.skip.Exception) and not isinstance(skip, TypedSkip) and _in_suites(item):
        call.excinfo = _refuse(skip)
    report = yield
    report.user_properties += [(Property.NEW_FEATURE, name) for name in features.new()]
    if isinstance(skip, TypedSkip):
        report.user_properties += [(Property.SKIP_KIND, skip.kind), (Property.SKIP_TEXT, skip.text)]
        path, line, _ = item.location
        report.longrepr = (path, (line or 0) + 1, f"{skip.kind}: {skip.text}")
    return report


def _refuse(skip: BaseException) -> pytest.ExceptionInfo[BaseException]:
    refused = UntypedSkip(f"skipped without a typed reason (helpers.skips): {skip}")
    return pytest.ExceptionInfo.from_exception(refused.with_traceback(skip.__traceback__))
