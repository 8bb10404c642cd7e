# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room: what a test of the suites verifies, and what the kernel is held against.

Tests name the behaviours they verify and what these take of a kernel, and skip only for a typed reason. What the kernel
answers is judged as the kernel's, a defect of this kernel that is known is expected, and what it must have follows from
its baseline.
"""

import argparse
import functools
import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import baseline, changes, features, proposals, requirements
from helpers.contract import behaviours, known_issues, releases
from helpers.contract.known_issues import KnownIssue
from helpers.contract.properties import Property
from helpers.errors import UnexpectedAnswer, judged, parameter_id
from helpers.features import Feature
from helpers.filesystems import FILESYSTEMS
from helpers.skips import TypedSkip

pytest_plugins = ["helpers.fixtures"]

_SUITES = "suites"
_FILESYSTEM_PARAMETERS = ("filesystem", "disk_dir")
_ALLURE_LABELS = ("severities", "epics", "features", "stories", "ids", "labels")
"""What allure-pytest selects tests by; the options of that name."""
_MARKERS = (
    "behaviour(*ids): the behaviours which the test verifies",
    f"{requirements.MARK}(*what, fs, fanotify): what the test needs of the kernel, see helpers/requirements.py",
    f"{changes.MARK}(what, before, after): an answer that has changed, see helpers/changes.py",
)
_CATALOGUE = pytest.StashKey[dict[str, behaviours.Behaviour]]()
_ISSUES = pytest.StashKey[list[KnownIssue]]()
_ASKED = pytest.StashKey[dict[str, Any]]()
"""What the options ask for, in a form that travels to where the tests run."""
_NEEDS = pytest.StashKey[requirements.Needs]()


class UntypedSkip(Exception):  # noqa: N818 - what it is
    """A test of the suites skipped without a typed reason: a mistake in the test."""


class NotRootError(Exception):
    """The suites ask the kernel for what only root gets."""


class _List(argparse.Action):
    """--list is --collect-only, as far as others are concerned: nothing is run, and no VM boots."""

    def __call__(self, _parser: object, namespace: argparse.Namespace, *_: object) -> None:
        namespace.list = namespace.collectonly = True


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this room."""
    group = parser.getgroup("suites")
    group.addoption(
        "--list",
        action=_List,
        nargs=0,
        default=False,
        help="run nothing, and print of each test what it verifies, what it requires of a kernel, and what has changed",
    )
    group.addoption(
        "--json",
        action="store_true",
        help="with --list: print that as JSON, in the form of helpers/list.schema.json, and nothing else",
    )
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
    group.addoption(
        "--baseline",
        metavar="NAME|FILE|none",
        default="",
        help="the features that the kernel must have: a list of helpers/baselines, such as 6.12, one of yours, or none "
        "(default: what follows from its release and its configuration)",
    )
    group.addoption(
        "--known-issues",
        metavar="FILE",
        action="append",
        default=[],
        help="defects that are expected beside those of suites/known_issues.toml, such as a distribution's own; "
        "may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and do what the options ask for."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    # The controller's files are not there where its workers run.
    workers = getattr(config, "workerinput", None)
    asked = config.stash[_ASKED] = _asked(config) if workers is None else workers["suites"]
    proposals.choose(asked["interface"])
    baseline.choose(asked["baseline"])
    try:
        issues = known_issues.of_suites(config.rootpath / _SUITES)
        issues += [issue for name, text in asked["known-issues"] for issue in known_issues.parse(text, name)]
    except known_issues.KnownIssuesError as error:
        raise pytest.UsageError(str(error)) from error
    if unknown := {issue.feature for issue in issues} - {"", *Feature.__members__}:
        raise pytest.UsageError(f"known issues: unknown feature {min(unknown)}")
    config.stash[_ISSUES] = issues


@pytest.hookimpl(trylast=True, specname="pytest_configure")
def pytest_configure_list(config: pytest.Config) -> None:
    """Have what is collected listed, and nothing else be printed; pytest has made its own printer by now."""
    if config.getoption("list"):
        from helpers.listing import Printer  # noqa: PLC0415 - a guest pays for each import

        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(
            Printer(config.rootpath / _SUITES, as_json=config.getoption("json")), "list"
        )
    elif config.getoption("json"):
        raise pytest.UsageError("--json says how --list prints: use both")


def _asked(config: pytest.Config) -> dict[str, Any]:
    interface, files = config.getoption("interface"), config.getoption("known_issues")
    try:
        return {
            "interface": proposals.read(Path(interface)) if interface else {},
            "baseline": baseline.read(config.getoption("baseline")),
            "known-issues": [(name, known_issues.read(Path(name))) for name in files],
        }
    except proposals.ProposalError as error:
        raise pytest.UsageError(f"--interface {error}") from error
    except baseline.BaselineError as error:
        raise pytest.UsageError(f"--baseline {error}") from error
    except known_issues.KnownIssuesError as error:
        raise pytest.UsageError(f"--known-issues {error}") from error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send what the options ask for along to a worker of pytest-xdist."""
    node.workerinput["suites"] = node.config.stash[_ASKED]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Have errnos and signals in the ids of tests by name, never by number."""
    return parameter_id(argname, val)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, object, object]:
    """Give each test of the suites its behaviours and what it needs, and refuse those whose declarations are wrong."""
    made = yield
    for item in made if isinstance(made, list) else []:
        if isinstance(item, pytest.Function) and _in_suites(item):
            describe(item)
    return made


def describe(item: pytest.Function) -> None:
    """Give a test of the suites its behaviours and needs. Raises pytest.Collector.CollectError if one is wrong."""
    verified = [_known(item, name) for name in _named(item)]
    _describe(item, verified)
    item.stash[_NEEDS] = requirements.of(item, verified)
    changes.of(item)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests on filesystems that --filesystem does not name."""
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
    return [
        *(pytest.mark.allure_label(value, label_type=kind) for kind, value in labels),
        pytest.mark.allure_description(behaviour.described),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let only root run the suites; expect the known issues of this kernel; check what a test needs of it."""
    if not _in_suites(item):
        return
    if os.geteuid() != 0:
        raise NotRootError("the suites need root: run them in a virtual machine, with --kernel NAME")
    item.user_properties.append((Property.BASELINE, baseline.current().name))
    _expect_known_issue(item)
    requirements.check(item.stash[_NEEDS])


def _expect_known_issue(item: pytest.Item) -> None:
    """Mark a test that a known defect of this kernel makes fail."""
    release = releases.running()
    issues = item.config.stash[_ISSUES]
    issue = known_issues.of(issues, item.nodeid, release)
    if issue is None or release is None or (issue.feature and not features.answers(issue.feature)):
        return
    expected = pytest.mark.xfail(
        reason=issue.text,
        raises=pytest.RaisesExc(AssertionError, check=issue.explains),
        strict=issue.is_certain(release),
        run=not issue.panics,
    )
    item.add_marker(expected)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a wrong answer of the kernel fail the test, and an untyped skip; add what they and the features say."""
    if call.excinfo and _in_suites(item):
        call.excinfo = _judged(call.excinfo)
    report = yield
    report.user_properties += [(Property.NEW_FEATURE, name) for name in features.new()]
    match call.excinfo.value if call.excinfo else None:
        case TypedSkip() as skip:
            report.user_properties += [(Property.SKIP_KIND, skip.kind), (Property.SKIP_TEXT, skip.text)]
            path, line, _ = item.location
            report.longrepr = (path, (line or 0) + 1, f"{skip.kind}: {skip.text}")
        case UnexpectedAnswer(behaviours=[_, *_] as broken):
            _blame_only(report, broken)
    return report


def _judged(excinfo: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Return what a phase of a test ended with, as the exception by which it is judged."""
    error = excinfo.value
    if isinstance(error, pytest.skip.Exception) and not isinstance(error, TypedSkip):
        text = f"skipped without a typed reason (helpers.skips): {error}"
        told: BaseException = UntypedSkip(text).with_traceback(error.__traceback__)
    else:
        told = judged(error)
    return excinfo if told is error else pytest.ExceptionInfo.from_exception(told)


def _blame_only(report: pytest.TestReport, broken: Sequence[str]) -> None:
    """Have a report on a test of many behaviours speak of those alone that were seen broken."""
    others = [pair for pair in report.user_properties if pair[0] != Property.BEHAVIOUR]
    report.user_properties = [*others, *((Property.BEHAVIOUR, name) for name in broken)]
