# SPDX-License-Identifier: GPL-2.0-or-later
"""A stored result in the model of allure-python-commons.

A test on two kernels is two results: the kernel is a parameter, which Allure 2 makes part of the history id, and a
label `env`, from which Allure 3 makes environments. The ids are made of the node id alone, so that they are the same
whatever became of the test.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from allure_commons.model2 import (
    ATTACHMENT_PATTERN,
    Attachment,
    Label,
    Link,
    Parameter,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import AttachmentType, LabelType
from allure_commons.utils import md5, platform_label, represent

from helpers.contract.behaviours import Behaviour
from helpers.contract.results import Result
from helpers.contract.sources import Kind
from helpers.contract.status import VM_GONE, Status
from reports.evidence import Catalogue, as_text, kind_of, pieces, verified
from reports.sources import references
from reports.text import one_line, printable, shortened

_ODD = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What comes of reading what a test has marked: a guest may have sent anything."""

_ATTACHED = ("traceback", "kernel log", "output", "console")
"""The evidence that is attached as texts."""

_DEEPEST = 50
"""How deep steps within steps are shown."""

Files = dict[str, bytes]
"""Attachments by the names of their files."""


def made(result: Result, known: Catalogue) -> tuple[TestResult, Files]:
    """Return Allure's result of a stored one, and the files that it names."""
    test, files = _plain(result, known)
    try:
        marked, more = _plain(result, known)
        _mark(marked, result.allure or {}, more)
    except _ODD:
        return test, files
    return marked, more


def _plain(result: Result, known: Catalogue) -> tuple[TestResult, Files]:
    path, _, rest = printable(result.test).partition("::")
    names, bracket, parameters = rest.partition("[")
    *classes, function = names.split("::")
    package = ".".join([*path.split("/")[:-1], Path(path).stem])
    full_name = f"{'.'.join([package, *classes])}#{function}"
    kernel = represent(printable(result.kernel))
    behaviours = verified(result, known)
    start = round(1000 * result.begin.timestamp()) if result.begin else 0
    test = TestResult(
        uuid=str(uuid5(NAMESPACE_URL, printable(f"{result.started}/{result.kernel}/{result.test}"))),
        name=function + bracket + parameters,
        fullName=full_name,
        titlePath=[*path.split("/"), *classes],
        testCaseId=md5(full_name),
        historyId=md5(full_name, kernel, bracket + parameters),
        description="\n\n".join(one.described for one in behaviours) or None,
        parameters=[Parameter(name="kernel", value=kernel), *_parameters(parameters.removesuffix("]"))],
        labels=[
            Label(name, value) for name, value in _labels(result, path, package, classes, behaviours) if value
        ],
        links=list(_links(behaviours)),
        status=result.words.allure,
        statusDetails=_details(result, known),
        start=start,
        stop=start + round(1000 * result.duration),
    )
    files: Files = {}
    if result.words.bad:
        for title, text in pieces(result, known):
            if title in _ATTACHED:
                _attach(test.attachments, files, f"{test.uuid}-{title.replace(' ', '-')}", title, text)
    return test, files


def _parameters(text: str) -> list[Parameter]:
    return [Parameter(name="case", value=text)] if text else []


def _labels(
    result: Result, path: str, package: str, classes: Sequence[str], behaviours: Sequence[Behaviour]
) -> Iterator[tuple[str, str]]:
    yield "env", printable(result.kernel)
    yield LabelType.PARENT_SUITE, package.rpartition(".")[0]
    yield LabelType.SUITE, Path(path).stem
    yield LabelType.SUB_SUITE, " > ".join(classes)
    yield LabelType.FRAMEWORK, "pytest"
    yield LabelType.LANGUAGE, platform_label()
    yield "package", package
    for epic in dict.fromkeys(one.epic for one in behaviours):
        yield LabelType.EPIC, epic
    for suite in dict.fromkeys(one.suite for one in behaviours):
        yield LabelType.FEATURE, suite
    for name in result.behaviours:
        yield LabelType.STORY, printable(name)
    if behaviours:
        yield LabelType.SEVERITY, min(map(severity, behaviours), key=_SEVERITIES.index)
    for firmness in dict.fromkeys(one.kind for one in behaviours if one.kind):
        yield LabelType.TAG, firmness


def _links(behaviours: Sequence[Behaviour]) -> Iterator[Link]:
    found: dict[str, str] = {}
    for one in behaviours:
        for reference in references("; ".join([one.source, *one.fixed_by])):
            if reference.url:
                found.setdefault(reference.url, reference.text)
    return (Link(type="link", url=url, name=text) for url, text in found.items())


_SEVERITIES = ("critical", "normal", "minor")


def severity(behaviour: Behaviour) -> str:
    """Tell how firm a promise is: none, or one that manual and kernel dispute, is minor."""
    if behaviour.documented or behaviour.kind is Kind.OBSERVED:
        return "minor"
    return "critical" if behaviour.kind is Kind.DOCUMENTED else "normal"


_PREFIX = {
    Status.SKIP: "Skipped: ",
    Status.XFAIL: "XFAIL ",
    Status.XPASS: "XPASS ",
    Status.NOT_RUN: "",
    **{status: f"{status}: " for status in VM_GONE},
}
"""How a message begins, by which allure.py files it under its categories."""

_FAILED: Mapping[Kind | None, str] = {
    firmness: f"{firmness.basis}: " for firmness in (Kind.DECIDED, Kind.OBSERVED)
}
"""The same, of a test that failed for a behaviour that no manual promises."""


def _details(result: Result, known: Catalogue) -> StatusDetails | None:
    message = one_line(result.headline) if result.reason else shortened(result.message)
    if not message and not result.words.bad:
        return None
    trace = as_text(result, known) if result.words.bad else None
    prefix = _PREFIX.get(result.status, "") or _FAILED.get(kind_of(result, known), "")
    return StatusDetails(message=prefix + message, trace=trace)


# ---- what the test marked ----


def _mark(test: TestResult, marks: Mapping[str, Any], files: Files) -> None:
    for name in ("name", "description", "descriptionHtml"):
        if name in marks:
            setattr(test, name, printable(str(marks[name])))
    have = {(label.name, label.value) for label in test.labels}
    for label in marks.get("labels", []):
        name, value = printable(label["name"]), printable(label["value"])
        if (name, value) not in have:
            test.labels.append(Label(name, value))
    for link in marks.get("links", []):
        test.links.append(Link(*(printable(link[name]) for name in ("type", "url", "name"))))
    test.parameters += _marked_parameters(marks)
    test.steps = [_step(step, test.uuid, files, 1) for step in marks.get("steps", [])]
    _attachments(test.attachments, marks, test.uuid, files)


def _marked_parameters(marks: Mapping[str, Any]) -> list[Parameter]:
    return [Parameter(printable(one["name"]), printable(one["value"])) for one in marks.get("parameters", [])]


def _step(step: Mapping[str, Any], uuid: str, files: Files, depth: int) -> TestStepResult:
    made = TestStepResult(
        name=printable(step["name"]),
        status=str(step.get("status", "broken")),
        statusDetails=StatusDetails(message=shortened(step["message"])) if "message" in step else None,
        parameters=_marked_parameters(step),
        start=int(step["start"]),
        stop=int(step.get("stop", step["start"])),
    )
    if depth < _DEEPEST:
        made.steps = [_step(one, uuid, files, depth + 1) for one in step.get("steps", [])]
    _attachments(made.attachments, step, uuid, files)
    return made


def _attachments(target: list[Attachment], marks: Mapping[str, Any], uuid: str, files: Files) -> None:
    for one in marks.get("attachments", []):
        try:
            content = (
                base64.b64decode(one["base64"]) if "base64" in one else one["text"].encode(errors="replace")
            )
        except binascii.Error:
            content = b""
        extension = (
            one["extension"] if one["extension"].isalnum() and one["extension"].isascii() else "attach"
        )
        source = ATTACHMENT_PATTERN.format(prefix=f"{uuid}-{len(files)}", ext=extension[:20])
        files[source] = content
        target.append(Attachment(printable(one["name"]), source, printable(one["type"]) or None))


def _attach(target: list[Attachment], files: Files, prefix: str, title: str, text: str) -> None:
    kind = AttachmentType.TEXT
    source = ATTACHMENT_PATTERN.format(prefix=prefix, ext=kind.extension)
    files[source] = text.encode(errors="replace")
    target.append(Attachment(title, source, kind.mime_type))
